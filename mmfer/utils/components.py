# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Compare components of configs by what they are, however the config names them."""

import inspect
from collections.abc import Mapping
from typing import Any

from mmengine.registry import Registry


def component_class(component: Any, registry: Registry) -> type | None:
    """Return the class that a registry would build.

    Args:
        component: A config with ``type``, or a ``type`` itself: ``'PackInputs'``,
            ``'mmpretrain.PackInputs'``, a path such as ``'mmpretrain.datasets.PackInputs'``, or a
            class.
        registry: Where names are looked up, in its parents as well.

    Returns:
        The class; None where there is no ``type``, the name is not registered, or it is that of a
        function.
    """
    kind = component.get('type') if isinstance(component, Mapping) else component
    if isinstance(kind, str):
        kind = registry.get(kind)
    return kind if inspect.isclass(kind) else None


def is_component(component: Any, registry: Registry, *classes: type) -> bool:
    """Whether a component is one of ``classes`` or of their subclasses.

    Args:
        component: See :func:`component_class`.
        registry: See :func:`component_class`.
        classes: What it is compared with.
    """
    found = component_class(component, registry)
    return found is not None and issubclass(found, classes)
