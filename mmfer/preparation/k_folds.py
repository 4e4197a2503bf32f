# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Divide a list into k parts of equal size, by hashes of names and of nothing random."""

from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence

from mmfer.datasets.splits import hash_of_name


def stratified_folds(
    names: Sequence[str], k: int, labels: Sequence[Hashable] | None = None, seed: int = 0
) -> list[int]:
    """Divide samples into ``k`` folds, each with the same share of every class.

    Within a class the samples are ranked by a hash of their names and dealt to the folds in turn;
    the next class goes on with the fold after. So of each class, and of all samples together, any
    two folds have numbers that differ by at most one. The folds depend on names, labels, ``k`` and
    seed alone, not on the order of the list or on a random generator.

    Args:
        names (Sequence[str]): Unique names, one a sample.
        k (int): Number of folds, from 2 to the number of samples.
        labels (Sequence[Hashable], optional): Class of each sample, or None where there are none.
        seed (int): Another seed, other folds. Defaults to 0.

    Returns:
        Fold of each sample, 0 to ``k - 1``.

    Raises:
        ValueError: ``k`` is out of range, a name comes twice, or the lengths differ.
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
    """Divide samples into ``k`` folds so that no group, such as a person, is in two of them.

    Groups are dealt whole, the largest first, those of one size in the order of a hash. Each goes
    to the fold where its classes are lacking most, among the folds that are ahead of the smallest
    one by no more than the largest group. Sizes of folds therefore differ by at most twice the
    largest group; with nothing but small groups the classes come out even too, but nobody can
    promise that when a class is that of one person.

    Args:
        names (Sequence[str]): Unique names, one a sample.
        groups (Sequence[Hashable]): Whom or what each sample shows.
        k (int): Number of folds, from 2 to the number of groups.
        labels (Sequence[Hashable], optional): Class of each sample, or None where there are none.
        seed (int): Another seed, other folds where groups are of one size. Defaults to 0.

    Returns:
        Fold of each sample, 0 to ``k - 1``. Depends on the arguments alone, not on their order.

    Raises:
        ValueError: ``k`` is out of range, a name comes twice, or the lengths differ.
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
            # By how much the sum of squared shares of the classes grows: least where most is
            # lacking. Shares, so that a rare class weighs as much as a common one.
            have = folds[fold]
            return sum(n * (2 * have[c] + n) / totals[c] ** 2 for c, n in counts.items())

        allowed = [fold for fold in range(k) if sizes[fold] <= min(sizes) + largest]
        best = min(allowed, key=lambda fold: (surplus(fold), sizes[fold], fold))
        fold_of[group] = best
        folds[best].update(counts)
        sizes[best] += counts.total()
    return [fold_of[group] for group in groups]


def parts_of_fold(folds: Sequence[int], fold: int, with_val: bool = True) -> list[str]:
    """Parts of a split in which one fold is for testing and, if wanted, the next for validation.

    Args:
        folds (Sequence[int]): Fold of each sample.
        fold (int): The one to test on.
        with_val (bool): Whether the fold after it is for validation; takes three folds at least.

    Returns:
        ``'train'``, ``'val'`` or ``'test'`` for each sample.

    Raises:
        ValueError: There is no such fold, or nothing is left to train on.
    """
    k = max(folds) + 1
    if not 0 <= fold < k:
        raise ValueError(f'fold must be 0 to {k - 1}, not {fold}')
    if with_val and k < 3:
        raise ValueError(f'testing, validation and training take 3 folds, there are {k}')
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
        raise ValueError(f'the name {twice!r} comes more than once')
    if not 2 <= k <= most:
        what = 'groups' if 'groups' in columns else 'samples'
        raise ValueError(f'the number of folds must be 2 to {most} (that many {what}), not {k}')


def _order(label: Hashable) -> tuple[str, float, str]:
    """Numbers by size, all else by its text; labels of mixed kinds can be sorted too."""
    return (
        ('', label, '')
        if isinstance(label, (int, float))
        else (type(label).__name__, 0, str(label))
    )
