# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""A setting that models had, and what becomes of it in old configs."""

from typing import Any

from mmfer.registry import MODELS
from mmfer.utils.components import component_class

_HAD_COMPUTATION = ('APViT', 'TransFER', 'ATPBlock')


def refuse_computation(owner: str, value: Any) -> None:
    """Refuse ``computation``, which was a way of counting FLOPs and no property of a model.

    Raises:
        TypeError: ``value`` is not None.
    """
    if value is not None:
        raise TypeError(
            f'{owner} has no setting `computation` any more, got computation={value!r}: remove it '
            'from the config. Outputs and weights are the same without it, and '
            'tools/analysis_tools/get_flops.py counts the published figures of any model'
        )


def drop_computation(settings: Any) -> Any:
    """Settings of models without ``computation``, at any depth.

    For configs inside checkpoints, which nobody can edit and which stay as good as they were.
    """
    if isinstance(settings, dict):
        had = getattr(component_class(settings, MODELS), '__name__', '') in _HAD_COMPUTATION
        return {
            key: drop_computation(value)
            for key, value in settings.items()
            if not (had and key == 'computation')
        }
    if isinstance(settings, (list, tuple)):
        return type(settings)(map(drop_computation, settings))
    return settings
