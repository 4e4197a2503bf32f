# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""The public API. The names below are imported on first use."""

import importlib

_PLACES = {
    'FaceInferencer': 'face_inferencer',
    'get_model': 'models',
    'list_models': 'model_index',
}
__all__ = ['FaceInferencer', 'get_model', 'list_models']


def __getattr__(name: str):
    if name not in _PLACES:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    return getattr(importlib.import_module(f'{__name__}.{_PLACES[name]}'), name)
