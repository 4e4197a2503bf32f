#!/usr/bin/env bash
# Make (or update) a virtual environment that holds mmfer's working copy and all it needs.
#
#   tools/misc/setup_venv.sh VENV [REQUIREMENTS_FILE ...]
#
# The environment is stamped with a hash of what it was made from, so a second call with the same
# files returns at once.
# PYTHON names the interpreter to use (default python3, 3.10 or newer).
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
venv=${1:?usage: setup_venv.sh VENV [REQUIREMENTS_FILE ...]}
shift
python=${PYTHON:-python3}
cd "$root"

say() { printf '\033[1m[setup]\033[0m %s\n' "$*"; }
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
    say "making the virtual environment $venv with $("$python" -V)"
    "$python" -m venv "$venv" ||
        fail "python's venv module does not work here; on Debian or Ubuntu: apt-get install python3-venv"
fi
pip=("$venv/bin/python" -m pip --disable-pip-version-check)

say 'installing torch, the OpenMMLab packages and the rest (a few minutes and about 11 GB the first time)'
"${pip[@]}" install -q 'pip>=23' 'setuptools<81' wheel
args=()
for file in "${requirements[@]}"; do args+=(-r "$file"); done
# A line per package, so that one sees where it is; the rest of pip's talk is left out.
"${pip[@]}" install --progress-bar off "${args[@]}" | sed -un \
    -e 's/^Collecting \([A-Za-z0-9_.-]*\).*/    \1/p' \
    -e 's/^Installing collected packages.*/    ... unpacking all of them, about a minute/p'
"${pip[@]}" install -q --no-deps 'openmim>=0.3.9,<0.4'
# The face detector MTCNN with its weights, 2 MB. What it declares are old versions of torch, numpy
# and Pillow; it runs with the ones that are here.
"${pip[@]}" install -q --no-deps facenet-pytorch==2.6.0

# The opencv-python wheel links against libGL, which a server without a display does not have. The
# headless wheel owns the same module; it is laid over the other one, whose metadata stays so that
# pip goes on believing the requirement of mmengine and mmcv to be met.
if ! "$venv/bin/python" -c 'import cv2' 2>/dev/null; then
    version=$("${pip[@]}" show opencv-python | sed -n 's/^Version: //p')
    say "cv2 $version needs display libraries that are not here: using its headless build"
    "${pip[@]}" install -q --no-deps --force-reinstall "opencv-python-headless==$version"
    "$venv/bin/python" -c 'import cv2' || fail 'cv2 cannot be imported, see above'
fi

say 'installing mmfer (editable)'
"${pip[@]}" install -q --no-deps --no-build-isolation -e .
# mim looks for the package's folder through its egg-info, which pip does not always leave behind.
"$venv/bin/python" setup.py -q egg_info
touch "$ready"
say "ready: $("$venv/bin/python" -c 'import torch, sys; print("Python", sys.version.split()[0], "torch", torch.__version__)')"
