# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""From images to results: the parts of :class:`mmfer.FaceInferencer`."""

import warnings

from .results import FaceResult, ImageResult, KeptPatches

__all__ = ['FaceResult', 'KeptPatches', 'ImageResult']


def __getattr__(name: str):
    if name == 'PictureResult':
        warnings.warn('PictureResult is now called ImageResult', FutureWarning, stacklevel=2)
        return ImageResult
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
