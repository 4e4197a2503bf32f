# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""What a picture shows: the labels of all four facial tasks."""

from dataclasses import dataclass

from mmfer.categories import EXPRESSIONS

from .random_streams import Stream, stream

#: Pictures of one split are drawn from other streams than those of another.
SPLITS = ('train', 'val', 'test')

MIN_AGE, MAX_AGE = 1, 116


@dataclass(frozen=True)
class Labels:
    """Labels of one picture.

    Args:
        expression (int): Index in ``EXPRESSIONS``.
        age (int): Years, 1 to 116.
        identity (int): Number of the person.
    """

    expression: int
    age: int
    identity: int


def sample_labels(seed: int, split: str, index: int, num_identities: int) -> Labels:
    """Choose the labels of one picture, without drawing it.

    Expressions come in shuffled blocks of seven, so that every split is as balanced as its size
    allows. Age and identity are drawn independently of it and of each other: the same person is
    met as a child and as an old man.

    Args:
        seed (int): Seed of the dataset.
        split (str): 'train', 'val' or 'test'.
        index (int): Number of the picture in its split.
        num_identities (int): How many people there are.

    Returns:
        Labels: The labels of this picture.
    """
    number = SPLITS.index(split)
    count = len(EXPRESSIONS)
    block, place = divmod(index, count)
    expression = stream(Stream.EXPRESSION, seed, number, block).permutation(count)[place]
    rng = stream(Stream.LABELS, seed, number, index)
    # Every age is met; the young and middle-aged ones, as in photographs, most often.
    age = MIN_AGE + int(rng.beta(1.15, 2.0) * (MAX_AGE - MIN_AGE + 1))
    return Labels(int(expression), min(age, MAX_AGE), int(rng.integers(num_identities)))
