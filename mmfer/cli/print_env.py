# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Print the environment for a bug report: system, GPU, and package versions.

python -m mmfer print_env
"""

import argparse

#: Packages that mmengine's collect_env does not list; some are alternatives of each other.
PACKAGES = (
    'mmpretrain onedl-mmpretrain mmcv mmcv-lite onedl-mmcv openmim timm numpy safetensors fvcore '
    'opencv-python opencv-python-headless onnx onnxruntime facenet-pytorch'
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    del parser


def run(args: argparse.Namespace) -> int:
    del args
    from importlib.metadata import PackageNotFoundError, version

    from mmengine.utils.dl_utils import collect_env

    from mmfer.version import __version__

    found = {'mmfer': __version__, **collect_env()}
    # A page of text, and a number that differs in every process.
    for name in ('PyTorch compiling details', 'numpy_random_seed'):
        found.pop(name, None)
    for name in PACKAGES.split():
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    for name, value in found.items():
        print(f'{name}: {value}')
    return 0
