# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Transforms that load, augment and pack faces and move landmarks with the pixels."""

from .annotation_check import AnnotationError
from .crop_face import FACE_CROPS, IMAGE_CROPS, CropFace, face_square
from .load_face_image import LoadFaceImage, UnreadableImageError, decode_image, is_truncated
from .pack_inputs import PackInputs
from .random_color_jitter import RandomColorJitter
from .random_crop_face import RandomCropFace
from .random_flip_face import RandomFlipFace
from .random_gray_face import RandomGrayFace, RandomGreyFace
from .random_rotate_face import RandomRotateFace
from .resize_face import ResizeFace

__all__ = [
    'FACE_CROPS',
    'IMAGE_CROPS',
    'AnnotationError',
    'CropFace',
    'LoadFaceImage',
    'PackInputs',
    'RandomColorJitter',
    'RandomCropFace',
    'RandomFlipFace',
    'RandomGrayFace',
    'RandomGreyFace',
    'RandomRotateFace',
    'ResizeFace',
    'UnreadableImageError',
    'face_square',
    'decode_image',
    'is_truncated',
]
