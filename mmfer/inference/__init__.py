# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""From pictures to results: what :class:`mmfer.FaceInferencer` is made of."""

from .results import FaceResult, KeptPatches, PictureResult

__all__ = ['FaceResult', 'KeptPatches', 'PictureResult']
