# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Find faces and bring them to the place and size that models expect."""

from .detector import MAX_FRAME_SIDE, FaceDetector
from .face import POINT_NAMES, Face
from .face_aligner import ALIGNED, FOUND, NO_FACE, REFUSED, WHOLE, Alignment, FaceAligner
from .face_choice import SEVERAL, Choice, FaceChoice
from .mtcnn import MTCNN
from .similarity import similarity_map
from .template import TEMPLATE_SIZE, face_template
from .whole_picture import WholePicture
from .yunet import YUNET_FILES, YuNet

#: Detectors by their names on the command line.
DETECTORS = {'yunet': YuNet, 'mtcnn': MTCNN, 'whole': WholePicture}

__all__ = [
    'ALIGNED',
    'DETECTORS',
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
    'WholePicture',
    'YuNet',
    'face_template',
    'similarity_map',
]
