# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from collections.abc import Iterable
from typing import Any

from mmengine.config import Config

from mmfer.datasets.face_dataset import EmptySplitError, FaceDataset
from mmfer.datasets.splits import PARTS, write_split_file
from mmfer.registry import DATASETS
from mmfer.utils.config_options import parse_options

#: Arguments of a dataset that the tool sets.
SET_ELSEWHERE = {'type', 'data_root', 'split', 'pipeline'}


def plain_options(assignments: Iterable[str]) -> dict[str, Any]:
    """Parse arguments of a dataset from ``KEY=VALUE`` words; dots in a key make nested dicts.

    Raises:
        ValueError: A word is not an assignment.
    """
    config = Config()
    config.merge_from_dict(parse_options(assignments))
    return config.to_dict()


def build_parts(name: str, data_root: str, options: dict[str, Any]) -> dict[str, FaceDataset]:
    """Build the train, val and test split of a dataset; empty splits are omitted.

    Args:
        name (str): Registered name of a :class:`FaceDataset` with a ``split``.
        data_root (str): Its folder.
        options (dict[str, Any]): Other arguments.

    Returns:
        Split -> dataset, in the order of :data:`~mmfer.datasets.splits.PARTS`; at least one.

    Raises:
        ValueError, TypeError, FileNotFoundError: Errors of the dataset.
    """
    taken = sorted(SET_ELSEWHERE & set(options))
    if taken:
        raise ValueError(f'options may not set {taken} of the dataset: the tool sets them')
    cfg = dict(options, type=name, data_root=data_root)
    parts, error = {}, None
    for part in PARTS:
        try:
            parts[part] = DATASETS.build(dict(cfg, split=part))
        except EmptySplitError as empty:
            error = empty
    if not parts:
        raise error
    return parts


def write_split(name: str, data_root: str, options: dict[str, Any], target: str) -> str:
    """Write which image or face of a dataset is in which split; return the counts as text.

    Args:
        name (str): Registered name of a :class:`~mmfer.datasets.NamedSplitDataset`.
        data_root (str): Its folder.
        options (dict[str, Any]): Its other arguments.
        target (str): File to write, for ``split_file``.
    """
    parts = build_parts(name, data_root, options)
    # An image with several faces has several samples but one line.
    lines = {(key, part) for part, dataset in parts.items() for key in dataset.split_keys()}
    counts = ', '.join(f'{len(dataset)} {part}' for part, dataset in parts.items())
    write_split_file(target, sorted(lines), f'{name}: {counts}')
    return counts
