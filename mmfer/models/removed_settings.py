# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""The removed setting ``computation``: an error in configs, ignored in old checkpoints."""

from typing import Any

from mmfer.registry import MODELS
from mmfer.utils.components import component_class

_HAD_COMPUTATION = ('APViT', 'TransFER', 'ATPBlock')


def refuse_computation(owner: str, value: Any) -> None:
    """Raise an error if ``computation`` is set; it only chose how FLOPs were counted.

    Raises:
        TypeError: ``value`` is not None.
    """
    if value is not None:
        raise TypeError(
            f'{owner} no longer has the setting `computation`, got computation={value!r}: remove '
            'it from the config. Outputs and weights are the same without it; '
            'tools/analysis_tools/get_flops.py counts the published FLOPs of any model'
        )


def drop_computation(settings: Any) -> Any:
    """Remove ``computation`` from the settings of models, at any depth.

    For configs inside checkpoints, which cannot be edited and should keep working.
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
