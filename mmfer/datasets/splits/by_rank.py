# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import hashlib
from collections.abc import Iterable


def split_by_rank(
    names: Iterable[str], val: float = 0.15, test: float = 0.15, seed: int = 0
) -> dict[str, str]:
    """Divide a list at random into parts of exact size.

    The names are sorted by a hash of each; the first 1 - ``val`` - ``test`` of them are for
    training, the next ``val`` for validation and the rest for testing. The seed fixes the choice on
    every machine, whatever the order of the list. Unlike with :func:`.split_by_name`, a name that
    comes or goes moves others across the borders, a few at a time.

    Args:
        names: What identifies the samples; a name that comes twice counts once.
        val: Share for validation. Default .15.
        test: Share for testing. Default .15; ``val`` and ``test`` leave something for training.
        seed: Another seed, another choice. Default 0.

    Returns:
        ``'train'``, ``'val'`` or ``'test'`` by name. Of n names, the first two have
        ``round(n * (1 - val - test))`` and ``round(n * val)``.
    """
    if val < 0 or test < 0 or val + test >= 1:
        raise ValueError(
            f'val and test are shares, 0 or more and together below 1, not {val} and {test}'
        )
    ranked = sorted(set(names), key=lambda name: hashlib.sha256(f'{seed}:{name}'.encode()).digest())
    num_train = round(len(ranked) * (1 - val - test))
    num_val = round(len(ranked) * val)
    parts = ['train'] * num_train + ['val'] * num_val
    parts += ['test'] * (len(ranked) - len(parts))
    # Both may have been rounded up: the last name then has no place for validation.
    return dict(zip(ranked, parts, strict=False))
