# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import hashlib


def split_by_name(name: str, val: float = 0.15, test: float = 0.15, seed: int = 0) -> str:
    """Choose the part of a picture by a hash of its name, and of nothing else.

    The name's hash is a number in [0, 1): below ``test`` the picture is for testing, in the next
    ``val`` of the range for validation, otherwise for training. So a picture stays where it is when
    others come or go, in every copy of a dataset and whatever the version of a random generator.
    The price is that the shares are met on average only: of 20,000 pictures, the test part of 15 %
    has 3,000 +- 50 (one standard deviation), and a class or an age of 1,000 pictures 150 +- 11.

    Args:
        name: What identifies the picture, the same on every machine: no absolute path.
        val: Share for validation. Default .15.
        test: Share for testing. Default .15; ``val`` and ``test`` leave something for training.
        seed: Another seed, another choice. Default 0.

    Returns:
        ``'train'``, ``'val'`` or ``'test'``.
    """
    if val < 0 or test < 0 or val + test >= 1:
        raise ValueError(
            f'val and test are shares, 0 or more and together below 1, not {val} and {test}'
        )
    digest = hashlib.sha256(f'{seed}:{name}'.encode()).digest()
    # 53 bits are what a float holds exactly.
    position = (int.from_bytes(digest[:8], 'big') >> 11) / 2**53
    if position < test:
        return 'test'
    return 'val' if position < test + val else 'train'
