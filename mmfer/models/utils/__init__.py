# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from .face_data_preprocessor import FaceDataPreprocessor

__all__ = ['FaceDataPreprocessor']
