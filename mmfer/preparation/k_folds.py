# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Divide a list into k folds of equal size, by hashes of names and without randomness."""

from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence

from mmfer.datasets.splits import hash_of_name


def stratified_folds(
    names: Sequence[str], k: int, labels: Sequence[Hashable] | None = None, seed: int = 0
) -> list[int]:
    """Divide samples into ``k`` folds, each with the same share of every class.

    The samples of a class are sorted by a hash of their names and assigned to the folds in turn;
    the next class continues with the next fold. So the sizes of any two folds differ by at most
    one, per class and in total. The folds depend only on names, labels, ``k`` and seed, not on the
    order of the list or on a random generator.

    Args:
        names (Sequence[str]): Unique names, one per sample.
        k (int): Number of folds, from 2 to the number of samples.
        labels (Sequence[Hashable], optional): Class of each sample. Defaults to None, no classes.
        seed (int): Another seed gives other folds. Defaults to 0.

    Returns:
        Fold of each sample, 0 to ``k - 1``.

    Raises:
        ValueError: ``k`` is out of range, a name occurs twice, or the lengths differ.
    """
    labels = [None] * len(names) if labels is None else labels
    _check(names, k, len(names), labels=labels)
    members = defaultdict(list)
    for index, label in enumerate(labels):
        members[label].append(index)
    ranked = [
        index
        for label in sorted(members, key=_order)
        for index in sorted(members[label], key=lambda index: hash_of_name(names[index], seed))
    ]
    folds = [0] * len(names)
    for place, index in enumerate(ranked):
        folds[index] = place % k
    return folds


def disjoint_folds(
    names: Sequence[str],
    groups: Sequence[Hashable],
    k: int,
    labels: Sequence[Hashable] | None = None,
    seed: int = 0,
) -> list[int]:
    """Divide samples into ``k`` folds so that no group, such as a person, is in two folds.

    Groups are assigned as a whole, the largest first; groups of equal size are sorted by a hash.
    Each group goes to the fold that lacks its classes most, among the folds that exceed the
    smallest one by at most the size of the largest group. So the sizes of folds differ by at most
    twice the largest group. If all groups are small, the classes are balanced too; this cannot be
    guaranteed, e.g. if all samples of a class show the same person.

    Args:
        names (Sequence[str]): Unique names, one per sample.
        groups (Sequence[Hashable]): Group of each sample, e.g. the person.
        k (int): Number of folds, from 2 to the number of groups.
        labels (Sequence[Hashable], optional): Class of each sample. Defaults to None, no classes.
        seed (int): Another seed gives other folds if groups have equal size. Defaults to 0.

    Returns:
        Fold of each sample, 0 to ``k - 1``. It does not depend on the order of the samples.

    Raises:
        ValueError: ``k`` is out of range, a name occurs twice, or the lengths differ.
    """
    labels = [None] * len(names) if labels is None else labels
    _check(names, k, len(set(groups)), labels=labels, groups=groups)
    totals = Counter(labels)
    content = defaultdict(Counter)
    for group, label in zip(groups, labels, strict=True):
        content[group][label] += 1
    largest = max(counts.total() for counts in content.values())
    folds = [Counter() for _ in range(k)]
    sizes, fold_of = [0] * k, {}
    order = sorted(
        content, key=lambda group: (-content[group].total(), hash_of_name(str(group), seed))
    )
    for group in order:
        counts = content[group]

        def surplus(fold: int, counts: Counter = counts) -> float:
            # Increase of the sum of squared shares of the classes: smallest for the fold that lacks
            # most. Shares, so that rare and common classes have the same weight.
            have = folds[fold]
            return sum(n * (2 * have[c] + n) / totals[c] ** 2 for c, n in counts.items())

        allowed = [fold for fold in range(k) if sizes[fold] <= min(sizes) + largest]
        best = min(allowed, key=lambda fold: (surplus(fold), sizes[fold], fold))
        fold_of[group] = best
        folds[best].update(counts)
        sizes[best] += counts.total()
    return [fold_of[group] for group in groups]


def parts_of_fold(folds: Sequence[int], fold: int, with_val: bool = True) -> list[str]:
    """Assign samples to train, val and test: one fold for testing, optionally the next for val.

    Args:
        folds (Sequence[int]): Fold of each sample.
        fold (int): The fold to test on.
        with_val (bool): Whether to validate on the fold after it; needs at least three folds.
            Defaults to True.

    Returns:
        ``'train'``, ``'val'`` or ``'test'`` for each sample.

    Raises:
        ValueError: There is no such fold, or no fold is left for training.
    """
    k = max(folds) + 1
    if not 0 <= fold < k:
        raise ValueError(f'fold must be 0 to {k - 1}, not {fold}')
    if with_val and k < 3:
        raise ValueError(f'training, validation and testing need 3 folds, there are {k}')
    parts = {fold: 'test'}
    if with_val:
        parts[(fold + 1) % k] = 'val'
    return [parts.get(own, 'train') for own in folds]


def _check(names: Sequence[str], k: int, most: int, **columns: Sequence) -> None:
    for what, column in columns.items():
        if len(column) != len(names):
            raise ValueError(f'{len(column)} {what} for {len(names)} names')
    if len(set(names)) != len(names):
        twice = next(name for name, count in Counter(names).items() if count > 1)
        raise ValueError(f'the name {twice!r} occurs more than once')
    if not 2 <= k <= most:
        what = 'groups' if 'groups' in columns else 'samples'
        raise ValueError(f'the number of folds must be 2 to {most} (that many {what}), not {k}')


def _order(label: Hashable) -> tuple[str, float, str]:
    """Sort key for labels of mixed types: numbers by size, all else by its text."""
    return (
        ('', label, '')
        if isinstance(label, (int, float))
        else (type(label).__name__, 0, str(label))
    )
