# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Find the input size of a config's model."""

from typing import Any

from mmengine.config import Config
from mmpretrain.datasets.transforms import ResizeEdge

from mmfer.registry import TRANSFORMS

from .components import component_class, is_component
from .dataset_config import find_test_dataset

_DEFAULT = 224


def image_size(cfg: Config) -> tuple[tuple[int, int], str]:
    """Find the input size of a model, without building the data.

    The first of these is used: ``model.backbone.img_size``; ``size``, ``crop_size`` or ``scale`` of
    the last step of the test pipeline that has one; ``image_size`` of a test set of drawn images.
    A config with none of them accepts all sizes; then it is 224x224, as in published costs.

    Returns:
        tuple: (height, width) in pixels, and the name of the setting.
    """
    found = _as_size(cfg.model.get('backbone', {}).get('img_size'))
    if found:
        return found, 'model.backbone.img_size'
    dataset = find_test_dataset(cfg)
    for step in reversed(dataset.get('pipeline', ())):
        if is_component(step, TRANSFORMS, ResizeEdge):  # sets one edge only
            continue
        name = getattr(component_class(step, TRANSFORMS), '__name__', step['type'])
        for key in ('size', 'crop_size', 'scale'):
            if found := _as_size(step.get(key)):
                # mmcv's Resize uses (width, height).
                found = found[::-1] if key == 'scale' else found
                return found, f'{name}.{key} in the test pipeline'
    found = _as_size(dataset.get('image_size'))
    if found:
        return found, 'test_dataloader.dataset.image_size'
    return (_DEFAULT, _DEFAULT), 'the default'


def _as_size(value: Any) -> tuple[int, int] | None:
    if isinstance(value, int) and value > 0:
        return value, value
    if isinstance(value, (tuple, list)) and len(value) == 2:
        return tuple(value)
    return None
