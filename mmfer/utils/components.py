# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Compare components of configs by their class, not by the name that the config uses."""

import inspect
from collections.abc import Mapping
from typing import Any

from mmengine.registry import Registry


def registered(name: str, registry: Registry) -> Any:
    """Return the object that a registry or its parents have under a name; None if there is none.

    Unlike :meth:`Registry.get`, it never tries to import a name that is not registered.

    Args:
        name (str): A name, with or without the scope of the registry or of one of its parents.
        registry (Registry): The registry that is searched first.
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
    """Like :func:`registered`, but also import full paths: ``'mmpretrain.datasets.PackInputs'``."""
    found = registered(name, registry)
    return registry.get(name) if found is None and '.' in name else found


def component_class(component: Any, registry: Registry) -> type | None:
    """Return the class that a registry would build.

    Args:
        component (Any): A config with ``type``, or a ``type`` itself: ``'PackInputs'``,
            ``'mmpretrain.PackInputs'``, a path such as ``'mmpretrain.datasets.PackInputs'``, or a
            class.
        registry (Registry): The registry for names; its parents are searched too.

    Returns:
        The class; None if there is no ``type``, or if the name is not registered or is that of a
        function.
    """
    kind = component.get('type') if isinstance(component, Mapping) else component
    if isinstance(kind, str):
        kind = find(kind, registry)
    return kind if inspect.isclass(kind) else None


def is_component(component: Any, registry: Registry, *classes: type) -> bool:
    """Return whether a component is one of ``classes`` or a subclass of one.

    Args:
        component (Any): See :func:`component_class`.
        registry (Registry): See :func:`component_class`.
        classes: The classes to compare with.
    """
    found = component_class(component, registry)
    return found is not None and issubclass(found, classes)
