# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""What an image shows, how hard it is to read, and the random streams that decide the rest."""

from dataclasses import dataclass, fields
from enum import IntEnum

import numpy as np

from mmfer.categories import EXPRESSIONS

#: Images of one split are drawn from other streams than those of another.
SPLITS = ('train', 'val', 'test')

MIN_AGE, MAX_AGE = 1, 116


class Stream(IntEnum):
    """What a stream decides. One stream each, so that a harder scene never changes a label."""

    IDENTITY = 0
    EXPRESSION = 1
    LABELS = 2
    LABEL_NOISE = 3
    FACE = 4
    OCCLUSION = 5
    SCENE = 6
    MISSING_LABEL = 7


def stream(kind: Stream, *key: int | str) -> np.random.Generator:
    """Open the generator named by ``kind`` and ``key``: integers >= 0, and names of splits.

    Note:
        PCG64 and the seed sequence are specified bit for bit by NumPy: the numbers do not depend
        on the process, the platform or any global random state.
    """
    numbers = (SPLITS.index(part) if isinstance(part, str) else part for part in key)
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence((int(kind), *numbers))))


@dataclass(frozen=True)
class Labels:
    """Labels of one image, for all four facial tasks (landmarks follow from them)."""

    expression: int  #: Index in ``EXPRESSIONS``.
    age: int  #: Years, 1 to 116.
    identity: int  #: Number of the person.


def sample_labels(seed: int, split: str, index: int, num_identities: int) -> Labels:
    """Sample the labels of one image, without drawing it.

    Expressions come in shuffled blocks of seven, so that every split is as balanced as its size
    allows. Age and identity are sampled independently of it and of each other: the same person
    appears as a child and as an old man.

    Args:
        seed (int): Seed of the dataset.
        split (str): 'train', 'val' or 'test'.
        index (int): Number of the image in its split.
        num_identities (int): How many people there are.

    Returns:
        Labels: The labels of this image.
    """
    count = len(EXPRESSIONS)
    block, place = divmod(index, count)
    expression = stream(Stream.EXPRESSION, seed, split, block).permutation(count)[place]
    rng = stream(Stream.LABELS, seed, split, index)
    # Every age occurs; young and middle-aged people, as in photographs, most often.
    age = MIN_AGE + int(rng.beta(1.15, 2.0) * (MAX_AGE - MIN_AGE + 1))
    return Labels(int(expression), min(age, MAX_AGE), int(rng.integers(num_identities)))


@dataclass(frozen=True)
class Difficulty:
    """Strengths of everything that hides an expression. Zero switches a part off.

    Args:
        variation (float): How far the same expression differs from image to image: subtle
            instead of full intensity, uneven sides, a person's own style, stray muscle actions.
            0 draws the full, even prototype. Defaults to 1.
        pose (float): Scales the angles (standard deviations of 11 degrees yaw, 7 pitch, 6 roll),
            the size (6 %) and the position (3 % of the image). Defaults to 1.
        light (float): Scales exposure, side light and color cast. Defaults to 1.
        clutter (float): Scales the number of things in the background. Defaults to 1.
        loss (float): Scales blur, sensor noise and JPEG loss. Defaults to 1.
        occlusion (float): Probability in [0, 1] that something (a hand, glasses, hair, bars, a
            scarf ...) hides a part of the face; with half of it, a second thing. Defaults to 0.5.

    Raises:
        ValueError: If a strength is outside [0, 2], or ``occlusion`` outside [0, 1].
    """

    variation: float = 1.0
    pose: float = 1.0
    light: float = 1.0
    clutter: float = 1.0
    loss: float = 1.0
    occlusion: float = 0.5

    def __post_init__(self):
        for name, value in vars(self).items():
            top = 1 if name == 'occlusion' else 2
            # Beyond 2 the face would leave the image.
            if not isinstance(value, (int, float)) or not 0 <= value <= top:
                raise ValueError(f'difficulty.{name} must be a number in [0, {top}], got {value!r}')

    @classmethod
    def none(cls) -> 'Difficulty':
        """Frontal, evenly lit, sharp and free: for figures and for tests."""
        return cls(**{field.name: 0 for field in fields(cls)})
