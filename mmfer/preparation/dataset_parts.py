# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from collections.abc import Iterable
from typing import Any

from mmengine.config import Config

from mmfer.datasets.face_dataset import EmptySplitError, FaceDataset
from mmfer.datasets.splits import PARTS
from mmfer.registry import DATASETS
from mmfer.utils.config_options import parse_options


def plain_options(assignments: Iterable[str]) -> dict[str, Any]:
    """Arguments of a dataset from ``KEY=VALUE`` words; dots in a key make nested dicts.

    Raises:
        ValueError: A word is no assignment.
    """
    config = Config()
    config.merge_from_dict(parse_options(assignments))
    return config.to_dict()


def build_parts(name: str, data_root: str, options: dict[str, Any]) -> dict[str, FaceDataset]:
    """Build the training, validation and test part of a dataset, as far as it has them.

    Args:
        name: Registered name of a :class:`FaceDataset` with a ``split``.
        data_root: Its folder.
        options: Further arguments.

    Returns:
        Part -> dataset, in the order of :data:`~mmfer.datasets.splits.PARTS`; at least one.

    Raises:
        ValueError, TypeError, FileNotFoundError: What the dataset finds wrong.
    """
    taken = sorted({'type', 'data_root', 'split', 'pipeline'} & set(options))
    if taken:
        raise ValueError(f'{taken} of a dataset cannot be given as options here; they are set')
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
