#!/usr/bin/env bash
# Build the wheel, install it in another environment, and train with it from another folder.
#
#   tools/misc/check_wheel.sh CONFIG_BASENAME
#
# VENV (default .venv) is an environment made by setup_venv.sh. A second environment with only the
# wheel of mmfer and openmim shares its packages, so that 11 GB are not installed twice.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
config=${1:?usage: check_wheel.sh CONFIG_BASENAME}
cd "$root"
venv=$(cd "${VENV:-.venv}" && pwd)
thin="$root/.wheelcheck"
elsewhere=$(mktemp -d)
trap 'rm -rf "$elsewhere"' EXIT

log() { printf '\033[1m[wheel]\033[0m %s\n' "$*"; }

log 'building'
rm -rf dist build
"$venv/bin/python" -m pip wheel -q --no-deps --no-build-isolation -w dist .
# The build replaces links in the working copy by copies: restore the links.
"$venv/bin/python" -m pip install -q --no-deps --no-build-isolation -e .
"$venv/bin/python" setup.py -q egg_info
wheel=$(ls dist/mmfer-*.whl)
content=$("$venv/bin/python" -m zipfile -l "$wheel")
for inside in mmfer/.mim/tools/train.py mmfer/.mim/tools/dist_train.sh mmfer/.mim/model-index.yml \
    mmfer/.mim/dataset-index.yml mmfer/.mim/configs/apvit/experiments.yml \
    mmfer/.mim/configs/kt_adapter/metafile.yml mmfer/.mim/configs/kt_adapter/README.md \
    mmfer/serve/page/index.html mmfer/weights/* "mmfer/.mim/configs/apvit/$config"; do
    grep -q "$inside" <<<"$content" || {
        echo "[wheel] error: $wheel does not contain $inside" >&2
        exit 1
    }
done

log "installing $wheel in a clean environment"
rm -rf "$thin"
"$venv/bin/python" -m venv "$thin"
site=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')
# Paths in a .pth file are searched last, and the .pth files in that folder (the editable mmfer) are ignored.
echo "$site" >"$("$thin/bin/python" -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')/lent.pth"
"$thin/bin/python" -m pip install -q --no-deps --ignore-installed "$wheel" 'openmim>=0.3.9,<0.4'

cd "$elsewhere"
unset PYTHONPATH
where=$("$thin/bin/python" -c 'import mmfer; print(mmfer.__file__)')
case "$where" in
    "$thin"/*) log "mmfer comes from $where" ;;
    *) echo "[wheel] error: mmfer comes from $where, not from the wheel" >&2; exit 1 ;;
esac
log "training from another folder: mim train mmfer $config"
"$thin/bin/mim" train mmfer "$config" --work-dir "$elsewhere/run" --cfg-options \
    train_cfg.max_epochs=1 train_dataloader.batch_size=8 train_dataloader.num_workers=0 \
    train_dataloader.dataset.num_samples=32 val_dataloader.dataset.num_samples=14 \
    val_dataloader.num_workers=0 default_hooks.logger.interval=1
test -s "$elsewhere/run/epoch_1.pth"
log 'models and experiments are found'
"$thin/bin/python" -m mmfer models >models.txt
grep -q apvit_ir50 models.txt
"$thin/bin/mim" run mmfer reproduce --list >experiments.txt
grep -q figure7 experiments.txt
log 'ok'
