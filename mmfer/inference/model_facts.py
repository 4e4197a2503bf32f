# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""What a config says about its model: the task, the classes, the size and values of images."""

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

#: The facial tasks, classification of anything else, and valence and arousal alone.
ALL_TASKS = (*TASKS, 'classification', 'valence_arousal')

_REGRESSION = {
    AgeHead: 'age',
    LandmarkHead: 'landmarks',
    ValenceArousalHead: 'valence_arousal',
}


def class_names(cfg: Config, meta: Mapping[str, Any] | None = None) -> tuple[str, ...]:
    """Names of a classifier's outputs, in their order; empty for other models.

    Asked in this order: the checkpoint, the config's data set, the class of the data set. Where
    none of them has as many different names as the head has outputs, they are called by their
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
    """Which of :data:`ALL_TASKS` a config's model was trained for.

    Args:
        cfg (Config): The config.
        classes (Sequence[str]): The names of the outputs, see :func:`class_names`.
    """
    neck, head = cfg.model.get('neck') or {}, cfg.model.get('head') or {}
    if is_component(neck, MODELS, KTAdapter):
        return neck.get('canonical', 'expression')
    for kind, task in _REGRESSION.items():
        if is_component(head, MODELS, kind):
            return task
    if head.get('with_feat'):
        return 'recognition'
    return 'expression' if classes and set(classes) <= set(EXPRESSIONS_8) else 'classification'


def action_unit_names(cfg: Config) -> tuple[str, ...]:
    """Names of the action units that a config's model predicts beside its classes; mostly none."""
    count = _head_argument(cfg, ExpressionAUHead, 'num_units')
    named = count == len(ACTION_UNITS)
    return ACTION_UNITS if named else tuple(f'unit {i}' for i in range(count))


def has_valence_arousal(cfg: Config) -> bool:
    """Whether a config's model predicts valence and arousal, alone or beside its classes."""
    alone = is_component(cfg.model.get('head') or {}, MODELS, ValenceArousalHead)
    return alone or bool(_head_argument(cfg, ExpressionAUHead, 'valence_arousal'))


def num_points(cfg: Config) -> int:
    """How many facial landmarks a config's model predicts; 0 for other tasks."""
    return _head_argument(cfg, LandmarkHead, 'num_points')


def _head_argument(cfg: Config, kind: type, name: str) -> Any:
    """An argument of a head of this kind, or its default; 0 for other heads."""
    head = cfg.model.get('head')
    if not is_component(head, MODELS, kind):
        return 0
    return head.get(name, inspect.signature(kind).parameters[name].default)


def normalization(cfg: Config) -> dict[str, Any]:
    """How pixels become what the network gets: ``(pixel - mean) / std`` of each channel.

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
    """What a file of weights or a graph says of its model, as plain values.

    Args:
        cfg (Config): The config.
        meta (Mapping[str, Any], optional): ``meta`` of the checkpoint, for the class names.
        size (Sequence[int], optional): Height and width of the images. Defaults to those of the
            config, see :func:`.image_size`.

    Returns:
        ``classes`` (empty but for classifiers), ``input_size`` (height, width),
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
