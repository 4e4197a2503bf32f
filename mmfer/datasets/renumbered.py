# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Renumber the labels of a dataset like those of another one."""

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np

from .class_numbers import class_key


def numbers_in(classes: Sequence[str], others: Sequence[str]) -> list[int] | None:
    """Return the index in ``classes`` of each of ``others``, matched by name (:func:`.class_key`).

    Returns:
        None if the classes differ, there are none, or two have the same name.
    """
    keys, other_keys = ([class_key(name) for name in names] for names in (classes, others))
    if not keys or len(set(keys)) < len(keys) or sorted(keys) != sorted(other_keys):
        return None
    return [keys.index(key) for key in other_keys]


def renumbered(dataset: Any, numbers: Sequence[int], classes: Sequence[str]) -> Any:
    """Return a copy of a dataset with other label numbers; images, order and pipeline are the same.

    Args:
        dataset (Any): An initialized ``BaseDataset`` of mmengine, or any nesting of wrappers around
            such datasets.
        numbers (Sequence[int]): The new number of each class.
        classes (Sequence[str]): The names of the classes in their new order.
    """
    copied = copy.copy(dataset)
    copied._metainfo = {**dataset.metainfo, 'classes': classes}
    if hasattr(dataset, 'datasets'):
        copied.datasets = [renumbered(part, numbers, classes) for part in dataset.datasets]
    elif hasattr(dataset, 'dataset'):
        copied.dataset = renumbered(dataset.dataset, numbers, classes)
    else:
        samples = (dataset.get_data_info(index) for index in range(len(dataset)))
        copied.data_list = [_renumber(sample, numbers) for sample in samples]
        if dataset.serialize_data:
            copied.data_bytes, copied.data_address = copied._serialize_data()
    return copied


def _renumber(sample: dict, numbers: Sequence[int]) -> dict:
    """Renumber the label (kept if below 0, not labeled), labels or shares of a sample."""
    label, score = sample.get('gt_label'), sample.get('gt_score')
    changed = {}
    if label is not None:
        new = [int(numbers[old]) if old >= 0 else old for old in np.ravel(label).tolist()]
        changed['gt_label'] = new if np.ndim(label) else new[0]
    if score is not None:
        changed['gt_score'] = np.empty_like(score)
        changed['gt_score'][list(numbers)] = score
    return {**sample, **changed}
