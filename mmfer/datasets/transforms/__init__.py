# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from .load_face_image import LoadFaceImage, UnreadableImageError, is_truncated
from .random_color_jitter import RandomColorJitter

__all__ = ['LoadFaceImage', 'RandomColorJitter', 'UnreadableImageError', 'is_truncated']
