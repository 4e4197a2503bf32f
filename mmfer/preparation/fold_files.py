# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Write split files for the k-fold cross-validation of a dataset."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mmfer.datasets.splits import PARTS, write_split_file
from mmfer.utils.config_options import read_config
from mmfer.utils.dataset_config import unwrapped

from .dataset_parts import SET_ELSEWHERE, build_parts
from .k_folds import disjoint_folds, parts_of_fold, stratified_folds


def dataset_of_config(path: str) -> dict[str, Any]:
    """Return the arguments of a config's training set, including ``type`` and ``data_root``."""
    loader = read_config(path).to_dict().get('train_dataloader') or {}
    cfg = unwrapped(loader.get('dataset') or {})
    unwanted = SET_ELSEWHERE - {'type', 'data_root'}
    return {key: value for key, value in cfg.items() if key not in unwanted}


def write_folds(
    name: str,
    data_root: str,
    options: dict[str, Any],
    out: str | Path,
    k: int,
    seed: int = 0,
    people: str | None = None,
    with_val: bool = True,
) -> Iterator[str]:
    """Write ``out/fold0.csv`` …; each file tests on another fold.

    Args:
        name (str): Registered name of a :class:`~mmfer.datasets.NamedSplitDataset`.
        data_root (str): Its folder.
        options (dict[str, Any]): Its other arguments.
        out (str | Path): Folder to write.
        k (int): Number of folds.
        seed (int): Another seed gives other folds. Defaults to 0.
        people (str, optional): Put all images of a person into one fold. ``'label'`` if the classes
            are people, or a regular expression that finds the person in names of split files (its
            first group, if it has one). Defaults to None: each fold has the same share of every
            class or decade of age.
        with_val (bool): Whether to validate on the fold after the test fold. Defaults to True.

    Yields:
        The path and the counts of each file, as text.

    Raises:
        ValueError: ``k`` is out of range, or the expression finds nothing in a name.
    """
    samples = [
        (key, part.get_data_info(index))
        for part in build_parts(name, data_root, options).values()
        for index, key in enumerate(part.split_keys())
    ]
    samples.sort(key=lambda sample: sample[0])
    keys = [key for key, _ in samples]
    by_label = people == 'label'
    labels = [None if by_label else _stratum(info) for _, info in samples]
    comment = ''
    if people:
        owners = [info['gt_label'] if by_label else _person(key, people) for key, info in samples]
        folds = disjoint_folds(keys, owners, k, labels, seed)
        comment = f', people kept apart (--people {people})'
    else:
        folds = stratified_folds(keys, k, labels, seed)
    for fold in range(k):
        parts = parts_of_fold(folds, fold, with_val)
        counts = ', '.join(f'{parts.count(part)} {part}' for part in PARTS)
        path = Path(out) / f'fold{fold}.csv'
        title = f'{name}: fold {fold} of {k}, seed {seed}{comment}'
        write_split_file(path, zip(keys, parts, strict=True), f'{title}\n{counts}')
        if people:
            tested = {owner for owner, own in zip(owners, folds, strict=True) if own == fold}
            counts += f', {len(tested)} people tested'
        yield f'{path}: {counts}'


def _stratum(info: dict) -> int | None:
    """Return the class of a sample, or the decade of its age."""
    if 'gt_label' in info:
        return int(info['gt_label'])
    return int(info['gt_age'] // 10) if 'gt_age' in info else None


def _person(key: str, pattern: str) -> str:
    match = re.search(pattern, key)
    if not match:
        raise ValueError(f'--people {pattern!r} finds nothing in the name {key!r}')
    return match[1] if match.re.groups else match[0]
