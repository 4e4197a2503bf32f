# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Detect and align faces."""

from .detector import MAX_FRAME_SIDE, FaceDetector
from .face import POINT_NAMES, Face
from .face_aligner import ALIGNED, FOUND, NO_FACE, REFUSED, WHOLE, Alignment, FaceAligner
from .face_choice import SEVERAL, Choice, FaceChoice
from .mtcnn import MTCNN
from .named_detector import DETECTOR_NAMES, DETECTORS, build_detector, find_detector
from .similarity import similarity_map
from .template import TEMPLATE_SIZE, face_template
from .whole_image import WholeImage
from .yunet import YUNET_FILES, YuNet

__all__ = [
    'ALIGNED',
    'DETECTORS',
    'DETECTOR_NAMES',
    'FOUND',
    'MAX_FRAME_SIDE',
    'MTCNN',
    'NO_FACE',
    'POINT_NAMES',
    'REFUSED',
    'SEVERAL',
    'TEMPLATE_SIZE',
    'WHOLE',
    'YUNET_FILES',
    'Alignment',
    'Choice',
    'Face',
    'FaceAligner',
    'FaceChoice',
    'FaceDetector',
    'WholeImage',
    'YuNet',
    'build_detector',
    'face_template',
    'find_detector',
    'similarity_map',
]
