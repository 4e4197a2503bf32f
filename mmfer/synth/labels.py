# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Labels of an image, its difficulty, and the random streams that define everything else."""

from dataclasses import dataclass, fields
from enum import IntEnum

import numpy as np

from mmfer.categories import EXPRESSIONS

#: Each split has its own random streams.
SPLITS = ('train', 'val', 'test')

MIN_AGE, MAX_AGE = 1, 116


class Stream(IntEnum):
    """Purposes of random streams; one stream each, so that difficulty never changes a label."""

    IDENTITY = 0
    EXPRESSION = 1
    LABELS = 2
    LABEL_NOISE = 3
    FACE = 4
    OCCLUSION = 5
    SCENE = 6
    MISSING_LABEL = 7


def stream(kind: Stream, *key: int | str) -> np.random.Generator:
    """Return the generator named by ``kind`` and ``key``: integers >= 0, and names of splits.

    Note:
        NumPy specifies PCG64 and the seed sequence bit for bit, so the numbers do not depend on the
        process, the platform or any global random state.
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

    Expressions come in shuffled blocks of seven, so every split is as balanced as its size allows.
    Age and identity are independent of the expression and of each other: the same person appears as
    a child and in old age.

    Args:
        seed (int): Seed of the dataset.
        split (str): 'train', 'val' or 'test'.
        index (int): Number of the image in its split.
        num_identities (int): Number of people.

    Returns:
        Labels: The labels of this image.
    """
    count = len(EXPRESSIONS)
    block, place = divmod(index, count)
    expression = stream(Stream.EXPRESSION, seed, split, block).permutation(count)[place]
    rng = stream(Stream.LABELS, seed, split, index)
    # Every age occurs; as in photographs, young and middle-aged people are most frequent.
    age = MIN_AGE + int(rng.beta(1.15, 2.0) * (MAX_AGE - MIN_AGE + 1))
    return Labels(int(expression), min(age, MAX_AGE), int(rng.integers(num_identities)))


@dataclass(frozen=True)
class Difficulty:
    """Strengths of everything that makes an expression hard to recognize. Zero disables a part.

    Args:
        variation (float): How much the same expression differs between images: weak instead of full
            intensity, asymmetry, a person's own style, random muscle actions. 0 draws the full,
            symmetric prototype. Defaults to 1.
        pose (float): Scales the angles (standard deviations of 11 degrees yaw, 7 pitch, 6 roll),
            the size (6 %) and the position (3 % of the image). Defaults to 1.
        light (float): Scales exposure, side light and color cast. Defaults to 1.
        clutter (float): Scales the number of things in the background. Defaults to 1.
        loss (float): Scales blur, sensor noise and JPEG artifacts. Defaults to 1.
        occlusion (float): Probability in [0, 1] that something (a hand, glasses, hair, bars, a
            scarf ...) hides a part of the face; with half of this probability, there is a second
            thing. Defaults to 0.5.

    Raises:
        ValueError: A strength is outside [0, 2], or ``occlusion`` outside [0, 1].
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
            # Above 2 the face would leave the image.
            if not isinstance(value, (int, float)) or not 0 <= value <= top:
                raise ValueError(f'difficulty.{name} must be a number in [0, {top}], got {value!r}')

    @classmethod
    def none(cls) -> 'Difficulty':
        """Return no difficulty: frontal, evenly lit, sharp, not occluded; for figures and tests."""
        return cls(**{field.name: 0 for field in fields(cls)})
