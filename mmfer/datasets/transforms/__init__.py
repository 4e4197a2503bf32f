# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from .crop_face import FACE_CROPS, IMAGE_CROPS, CropFace, face_square
from .load_face_image import LoadFaceImage, UnreadableImageError, is_truncated
from .random_color_jitter import RandomColorJitter
from .random_crop_face import RandomCropFace
from .random_flip_face import RandomFlipFace
from .random_rotate_face import RandomRotateFace
from .resize_face import ResizeFace

__all__ = [
    'FACE_CROPS',
    'IMAGE_CROPS',
    'CropFace',
    'LoadFaceImage',
    'RandomColorJitter',
    'RandomCropFace',
    'RandomFlipFace',
    'RandomRotateFace',
    'ResizeFace',
    'UnreadableImageError',
    'face_square',
    'is_truncated',
]
