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
        name: Bare, behind the scope of the registry or of one of its parents, or the whole path of
            the class, as MMEngine writes class objects of a config: ``'mmfer.models.APViT'``.
        registry: Asked first.
    """
    registry.import_from_location()
    scope, dot, bare = name.rpartition('.')
    if dot and scope == registry.scope:
        return registry.module_dict.get(bare)
    nodes = [registry]
    while nodes[-1].parent is not None:
        nodes.append(nodes[-1].parent)
    scopes = [node.scope for node in nodes]
    if dot and scope in scopes:
        nodes, dot = nodes[scopes.index(scope) :], ''
    found = [node.module_dict[bare] for node in nodes if bare in node.module_dict]
    if dot:
        found = [part for part in found if scope and f'{part.__module__}.'.startswith(f'{scope}.')]
    return found[0] if found else None


def find(name: str, registry: Registry) -> Any:
    """:func:`registered`, and the object of a whole path, ``'mmpretrain.datasets.PackInputs'``."""
    found = registered(name, registry)
    return registry.get(name) if found is None and '.' in name else found


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
        kind = find(kind, registry)
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
