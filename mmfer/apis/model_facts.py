# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""What a config says about its model: the facial task, the classes, how pictures are normalised."""

from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.config import Config

from mmfer.datasets.categories import EXPRESSIONS, EXPRESSIONS_8
from mmfer.registry import DATASETS
from mmfer.tasks import TASKS
from mmfer.utils.dataset_config import unwrapped

#: The facial tasks, and classification of anything else.
ALL_TASKS = (*TASKS, 'classification')

_REGRESSION = {'AgeHead': 'age', 'LandmarkHead': 'landmarks'}


def test_dataset(cfg: Config) -> Mapping[str, Any]:
    """The config of the data set that is tested on, out of its wrappers; empty if there is none."""
    return unwrapped((cfg.get('test_dataloader') or {}).get('dataset') or {})


def class_names(cfg: Config, meta: Mapping[str, Any] | None = None) -> tuple[str, ...]:
    """Names of a classifier's outputs, in their order; empty for age and landmarks.

    Asked in this order: the checkpoint, the config's data set, the class of the data set. Where
    none of them has as many names as the head has outputs, they are called by their numbers.

    Args:
        cfg: The config.
        meta: The checkpoint's ``meta``.
    """
    head = cfg.model.get('head') or {}
    if head.get('type') in _REGRESSION:
        return ()
    dataset = test_dataset(cfg)
    kind = DATASETS.get(dataset['type']) if 'type' in dataset else None
    places: list[Mapping[str, Any]] = [
        (meta or {}).get('dataset_meta') or {},
        dataset.get('metainfo') or {},
        getattr(kind, 'METAINFO', None) or {},
    ]
    if dataset.get('type') == 'SynthFace' and dataset.get('task', 'expression') == 'expression':
        places.append({'classes': EXPRESSIONS})
    count = head.get('num_classes')
    for place in places:
        names = place.get('classes') or ()
        if isinstance(names, Sequence) and not isinstance(names, str) and len(names) == count:
            return tuple(map(str, names))
    return tuple(map(str, range(count or 0)))


def task_of(cfg: Config, classes: Sequence[str] = ()) -> str:
    """Which of :data:`ALL_TASKS` a config's model was trained for.

    Args:
        cfg: The config.
        classes: The names of the outputs, see :func:`class_names`.
    """
    neck, head = cfg.model.get('neck') or {}, cfg.model.get('head') or {}
    if isinstance(neck, Mapping) and neck.get('type') == 'KTAdapter':
        return neck.get('canonical', 'expression')
    if head.get('type') in _REGRESSION:
        return _REGRESSION[head['type']]
    if head.get('with_feat'):
        return 'recognition'
    return 'expression' if classes and set(classes) <= set(EXPRESSIONS_8) else 'classification'


def normalisation(cfg: Config) -> dict[str, Any]:
    """How pixels become what the network gets: ``(pixel - mean) / std`` of each channel.

    Returns:
        ``mean`` and ``std`` in grey levels of 0 to 255, both in ``order``, 'RGB' or 'BGR'.
    """
    settings = cfg.model.get('data_preprocessor') or cfg.get('data_preprocessor') or {}
    return dict(
        mean=list(settings.get('mean') or (0.0, 0.0, 0.0)),
        std=list(settings.get('std') or (1.0, 1.0, 1.0)),
        order='RGB' if settings.get('to_rgb') else 'BGR',
    )
