# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Facts about a model from its config: task, classes, image size and normalization."""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.config import Config

from mmfer.categories import ACTION_UNITS, EXPRESSIONS, EXPRESSIONS_8
from mmfer.datasets import SynthFace
from mmfer.models import (
    AgeHead,
    ExpressionAUHead,
    KTAdapter,
    LandmarkHead,
    ValenceArousalHead,
)
from mmfer.registry import DATASETS, MODELS
from mmfer.tasks import TASKS
from mmfer.utils.components import component_class, is_component
from mmfer.utils.dataset_config import find_test_dataset
from mmfer.utils.image_size import image_size
from mmfer.version import __version__

#: The facial tasks, classification of anything else, and valence and arousal only.
ALL_TASKS = (*TASKS, 'classification', 'valence_arousal')

_REGRESSION = {
    AgeHead: 'age',
    LandmarkHead: 'landmarks',
    ValenceArousalHead: 'valence_arousal',
}


def class_names(cfg: Config, meta: Mapping[str, Any] | None = None) -> tuple[str, ...]:
    """Return the class names of a classifier, in the order of its outputs; empty for other models.

    They are looked up in the checkpoint, the config's dataset, and the class of the dataset, in
    this order. If none of them has as many different names as the head has outputs, the names are
    numbers.

    Args:
        cfg (Config): The config.
        meta (Mapping[str, Any], optional): The checkpoint's ``meta``.
    """
    head = cfg.model.get('head') or {}
    if is_component(head, MODELS, *_REGRESSION):
        return ()
    dataset = find_test_dataset(cfg)
    kind = component_class(dataset, DATASETS)
    places = [
        (meta or {}).get('dataset_meta') or {},
        dataset.get('metainfo') or {},
        getattr(kind, 'METAINFO', None) or {},
    ]
    drawn = is_component(dataset, DATASETS, SynthFace)
    if drawn and dataset.get('task', 'expression') == 'expression':
        places.append({'classes': EXPRESSIONS})
    count = head.get('num_classes')
    for place in places:
        names = place.get('classes') if isinstance(place, Mapping) else ()
        if isinstance(names, Sequence) and not isinstance(names, str):
            names = tuple(map(str, names))
            if len(set(names)) == len(names) == count:
                return names
    return tuple(map(str, range(count or 0)))


def task_of(cfg: Config, classes: Sequence[str] = ()) -> str:
    """Return the task that a config's model is trained for, one of :data:`ALL_TASKS`.

    Args:
        cfg (Config): The config.
        classes (Sequence[str]): The class names, see :func:`class_names`. Defaults to none.
    """
    neck, head = cfg.model.get('neck') or {}, cfg.model.get('head') or {}
    for kind, task in _REGRESSION.items():
        if is_component(head, MODELS, kind):
            return task
    if is_component(neck, MODELS, KTAdapter):
        return neck.get('canonical', 'expression')
    if head.get('with_feat'):
        return 'recognition'
    return 'expression' if classes and set(classes) <= set(EXPRESSIONS_8) else 'classification'


def action_unit_names(cfg: Config) -> tuple[str, ...]:
    """Return the names of the action units that a config's model predicts; for most models none."""
    count = _head_argument(cfg, ExpressionAUHead, 'num_units')
    named = count == len(ACTION_UNITS)
    return ACTION_UNITS if named else tuple(f'unit {i}' for i in range(count))


def has_valence_arousal(cfg: Config) -> bool:
    """Whether a config's model predicts valence and arousal, alone or together with classes."""
    alone = is_component(cfg.model.get('head') or {}, MODELS, ValenceArousalHead)
    return alone or bool(_head_argument(cfg, ExpressionAUHead, 'valence_arousal'))


def num_points(cfg: Config) -> int:
    """Return the number of facial landmarks of a config's model; 0 for other tasks."""
    return _head_argument(cfg, LandmarkHead, 'num_points')


def _head_argument(cfg: Config, kind: type, name: str) -> Any:
    """Return an argument of a head of this type, or its default; 0 for other heads."""
    head = cfg.model.get('head')
    if not is_component(head, MODELS, kind):
        return 0
    return head.get(name, inspect.signature(kind).parameters[name].default)


def normalization(cfg: Config) -> dict[str, Any]:
    """Return how pixels are normalized: ``(pixel - mean) / std`` per channel.

    Returns:
        ``mean`` and ``std`` in gray levels of 0 to 255, both in ``order``, 'RGB' or 'BGR', and
        ``standardize``: whether :func:`.standardize_images` follows.
    """
    settings = cfg.model.get('data_preprocessor') or cfg.get('data_preprocessor') or {}
    return dict(
        mean=list(settings.get('mean') or (0.0, 0.0, 0.0)),
        std=list(settings.get('std') or (1.0, 1.0, 1.0)),
        order='RGB' if settings.get('to_rgb') else 'BGR',
        standardize=bool(settings.get('standardize')),
    )


def model_facts(
    cfg: Config, meta: Mapping[str, Any] | None = None, size: Sequence[int] | None = None
) -> dict[str, Any]:
    """Return the facts stored with weights or an exported graph, as plain values.

    Args:
        cfg (Config): The config.
        meta (Mapping[str, Any], optional): ``meta`` of the checkpoint, for the class names.
        size (Sequence[int], optional): Height and width of the images. Defaults to those of the
            config, see :func:`.image_size`.

    Returns:
        ``classes`` (empty for models that do not classify), ``input_size`` (height, width),
        ``mmfer_version``, ``preprocessing`` (see :func:`normalization`) and ``task``.
    """
    classes = class_names(cfg, meta)
    return dict(
        classes=list(classes),
        input_size=list(size or image_size(cfg)[0]),
        mmfer_version=__version__,
        preprocessing=normalization(cfg),
        task=task_of(cfg, classes),
    )
