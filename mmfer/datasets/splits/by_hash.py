# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Splits by hashes of names: the same on every machine and with every library version."""

import hashlib
from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence


def hash_of_name(name: str, seed: int = 0) -> bytes:
    """Return the SHA-256 of a name, 32 bytes; sorting by it shuffles names reproducibly."""
    return hashlib.sha256(f'{seed}:{name}'.encode()).digest()


def split_by_name(name: str, val: float = 0.15, test: float = 0.15, seed: int = 0) -> str:
    """Return the split of one image, from a hash of its name only.

    The hash is a number in [0, 1): below ``test`` the image is for testing, in the next ``val`` of
    the range for validation, otherwise for training. So an image keeps its split when others are
    added or removed, and in every copy of a dataset. In return, the shares are met on average only:
    of 20,000 images, the test split of 15 % has 3,000 +- 50 (one standard deviation), and a class
    or an age of 1,000 images 150 +- 11.

    Args:
        name (str): Identifier of the image, the same on every machine: not an absolute path.
        val (float): Share for validation. Defaults to 0.15.
        test (float): Share for testing; ``val`` and ``test`` must add up to less than 1. Defaults
            to 0.15.
        seed (int): Another seed gives another split. Defaults to 0.

    Returns:
        ``'train'``, ``'val'`` or ``'test'``.
    """
    _check_shares(val, test)
    # 53 bits are what a float holds exactly.
    position = (int.from_bytes(hash_of_name(name, seed)[:8], 'big') >> 11) / 2**53
    if position < test:
        return 'test'
    return 'val' if position < test + val else 'train'


def split_by_rank(
    names: Iterable[str],
    val: float = 0.15,
    test: float = 0.15,
    seed: int = 0,
    order: Sequence[str] = ('test', 'val', 'train'),
) -> dict[str, str]:
    """Divide a list into splits of exact size.

    The names are sorted by their hashes, so the order of the list has no effect, and the splits are
    consecutive ranges. Unlike with :func:`split_by_name`, adding or removing a name moves a few
    others across the borders.

    Args:
        names (Iterable[str]): Identifiers of the samples; a repeated name counts once.
        val (float): Share for validation. Defaults to 0.15.
        test (float): Share for testing; ``val`` and ``test`` must add up to less than 1. Defaults
            to 0.15.
        seed (int): Another seed gives another split. Defaults to 0.
        order (Sequence[str]): The three splits, starting with the lowest hashes. Defaults to the
            order of :func:`split_by_name`, so that most names are in the same split with both.

    Returns:
        ``'train'``, ``'val'`` or ``'test'`` by name. Of n names, ``round(n * test)`` are for
        testing, and ``round(n * val)``, or the rest if that is smaller, for validation.
    """
    _check_shares(val, test)
    ranked = sorted(set(names), key=lambda name: hash_of_name(name, seed))
    num_test = round(len(ranked) * test)
    num_val = min(round(len(ranked) * val), len(ranked) - num_test)
    sizes = dict(train=len(ranked) - num_test - num_val, val=num_val, test=num_test)
    places = [part for part in order for _ in range(sizes[part])]
    return dict(zip(ranked, places, strict=True))


def stratified_holdout(
    names: Sequence[str], labels: Sequence[Hashable], ratio: float, seed: int = 0
) -> list[bool]:
    """Hold out a part of a training list, with the same share of every class.

    Within a class, names are sorted by their hashes. The result depends only on names, labels,
    ratio and seed, not on the order of the list, and a larger ratio holds out a superset.

    Args:
        names (Sequence[str]): Unique names, one per sample.
        labels (Sequence[Hashable]): Class of each sample.
        ratio (float): Share to hold out, in (0, 1), rounded to the nearest number of samples per
            class. At least one sample per class is held out and at least one is kept for training;
            the sample of a class of one is kept.
        seed (int): Another seed gives another part. Defaults to 0.

    Returns:
        For each sample, whether it is held out.
    """
    if not 0 < ratio < 1:
        raise ValueError(f'ratio must be in (0, 1), not {ratio}')
    members = defaultdict(list)
    for index, label in enumerate(labels):
        members[label].append((hash_of_name(names[index], seed), index))
    held_out = [False] * len(names)
    for ranked in members.values():
        count = min(max(round(len(ranked) * ratio), 1), len(ranked) - 1)
        for _, index in sorted(ranked)[:count]:
            held_out[index] = True
    return held_out


def _check_shares(val: float, test: float) -> None:
    if val < 0 or test < 0 or val + test >= 1:
        raise ValueError(
            f'val and test must be shares, 0 or more and below 1 in total, not {val} and {test}'
        )
