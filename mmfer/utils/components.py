# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Compare components of configs by what they are, however the config names them."""

import inspect
from collections.abc import Mapping
from typing import Any

from mmengine.registry import Registry


def registered(name: str, registry: Registry) -> Any:
    """What a registry has under a name, itself or its parents; None if there is nothing.

    As :meth:`Registry.get`, which goes on to import what it does not find, whatever that is.

    Args:
        name (str): Bare, or behind the scope of the registry or of one of its parents.
        registry (Registry): Asked first.
    """
    registry.import_from_location()
    scope, dot, bare = name.rpartition('.')
    if dot and scope == registry.scope:
        return registry.module_dict.get(bare)
    node: Registry | None = registry
    while dot and node is not None and node.scope != scope:
        node = node.parent
    while node is not None and bare not in node.module_dict:
        node = node.parent
    return node and node.module_dict[bare]


def find(name: str, registry: Registry) -> Any:
    """:func:`registered`, and the object of a whole path, ``'mmpretrain.datasets.PackInputs'``."""
    found = registered(name, registry)
    return registry.get(name) if found is None and '.' in name else found


def component_class(component: Any, registry: Registry) -> type | None:
    """Return the class that a registry would build.

    Args:
        component (Any): A config with ``type``, or a ``type`` itself: ``'PackInputs'``,
            ``'mmpretrain.PackInputs'``, a path such as ``'mmpretrain.datasets.PackInputs'``, or a
            class.
        registry (Registry): Where names are looked up, in its parents as well.

    Returns:
        The class; None where there is no ``type``, the name is not registered, or it is that of a
        function.
    """
    kind = component.get('type') if isinstance(component, Mapping) else component
    if isinstance(kind, str):
        kind = find(kind, registry)
    return kind if inspect.isclass(kind) else None


def is_component(component: Any, registry: Registry, *classes: type) -> bool:
    """Whether a component is one of ``classes`` or of their subclasses.

    Args:
        component (Any): See :func:`component_class`.
        registry (Registry): See :func:`component_class`.
        classes: What it is compared with.
    """
    found = component_class(component, registry)
    return found is not None and issubclass(found, classes)
