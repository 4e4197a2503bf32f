#!/usr/bin/env bash
# Create (or update) a virtual environment with mmfer's working copy and its requirements.
#
#   tools/misc/setup_venv.sh VENV [REQUIREMENTS_FILE ...]
#
# A hash of the requirements is stored in the environment, so a second call with the same files
# returns at once.
# PYTHON is the interpreter to use (default python3, 3.10 or newer).
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
venv=${1:?usage: setup_venv.sh VENV [REQUIREMENTS_FILE ...]}
shift
python=${PYTHON:-python3}
cd "$root"

log() { printf '\033[1m[setup]\033[0m %s\n' "$*"; }
fail() { printf '[setup] error: %s\n' "$*" >&2; exit 1; }

requirements=(requirements/mminstall.txt requirements/runtime.txt requirements/mim.txt "$@")
stamp=$(cat setup.py pyproject.toml "${BASH_SOURCE[0]}" "${requirements[@]}" | sha256sum | cut -c1-16)
ready="$venv/.ready-$stamp-$(printf '%s' "$root" | sha256sum | cut -c1-8)"
if [ -e "$ready" ]; then
    exit 0
fi

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
    fail "$python is $("$python" -V 2>&1); mmfer needs Python >= 3.10. Set PYTHON=/path/to/python3.x"
if [ ! -x "$venv/bin/python" ]; then
    log "making the virtual environment $venv with $("$python" -V)"
    "$python" -m venv "$venv" ||
        fail "python's venv module does not work here; on Debian or Ubuntu: apt-get install python3-venv"
fi
pip=("$venv/bin/python" -m pip --disable-pip-version-check)

log 'installing torch, the OpenMMLab packages and the rest (a few minutes and about 11 GB the first time)'
"${pip[@]}" install -q 'pip>=23' 'setuptools<81' wheel
args=()
for file in "${requirements[@]}"; do args+=(-r "$file"); done
# Print one line per package as progress, and omit the rest of pip's output.
"${pip[@]}" install --progress-bar off "${args[@]}" | sed -un \
    -e 's/^Collecting \([A-Za-z0-9_.-]*\).*/    \1/p' \
    -e 's/^Installing collected packages.*/    ... unpacking all of them, about a minute/p'
"${pip[@]}" install -q --no-deps 'openmim>=0.3.9,<0.4'
# The face detector MTCNN with its weights, 2 MB. It requires old versions of torch, numpy and
# Pillow, but works with the installed ones.
"${pip[@]}" install -q --no-deps facenet-pytorch==2.6.0

# The opencv-python wheel needs libGL, which a server without a display does not have. The headless
# wheel has the same module. It is installed over the other one, whose metadata stays, so that pip
# still considers the requirement of mmengine and mmcv as met.
if ! "$venv/bin/python" -c 'import cv2' 2>/dev/null; then
    version=$("${pip[@]}" show opencv-python | sed -n 's/^Version: //p')
    log "cv2 $version needs missing display libraries: installing its headless build"
    "${pip[@]}" install -q --no-deps --force-reinstall "opencv-python-headless==$version"
    "$venv/bin/python" -c 'import cv2' || fail 'cv2 cannot be imported, see above'
fi

log 'installing mmfer (editable)'
"${pip[@]}" install -q --no-deps --no-build-isolation -e .
# mim finds the folder of the package by its egg-info, which pip does not always create.
"$venv/bin/python" setup.py -q egg_info
touch "$ready"
log "ready: $("$venv/bin/python" -c 'import torch, sys; print("Python", sys.version.split()[0], "torch", torch.__version__)')"
