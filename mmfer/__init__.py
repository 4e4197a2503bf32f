# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Facial expression recognition and facial analysis for OpenMMLab."""

from .compatibility import check_packages
from .version import __version__

check_packages()

__all__ = ['FaceInferencer', '__version__', 'get_model', 'list_models']


def __getattr__(name: str):
    # Imported lazily: code that only needs a dataset should not wait for the inferencer.
    if name not in __all__:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    from . import apis

    return getattr(apis, name)
