# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Data preprocessor: normalization and random erasing of a batch on the device."""

from .face_data_preprocessor import FaceDataPreprocessor
from .random_erasing import draw_erasing_boxes, random_erase

__all__ = ['FaceDataPreprocessor', 'draw_erasing_boxes', 'random_erase']
