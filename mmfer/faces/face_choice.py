# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from dataclasses import dataclass

import numpy as np

from .face import Face

SEVERAL = ('largest', 'central', 'score', 'refuse')

_NAMES = {'largest': 'largest', 'central': 'most central', 'score': 'best score'}


@dataclass(frozen=True)
class Choice:
    """The face of an image that counts, or why there is none.

    Attributes:
        face (Face, optional): The face; None where there is none.
        reason (str): In a few words.
        num_faces (int): Faces that were good and large enough.
    """

    face: Face | None
    reason: str
    num_faces: int


@dataclass(frozen=True)
class FaceChoice:
    """Rules by which one face of an image is chosen. They apply in this order.

    1. Faces whose score is below ``min_score`` are no faces.
    2. Faces the shorter side of whose box is below ``min_size`` are too small to be one.
    3. Of several that are left, ``several`` decides. Of equal ones the better score, then the one
       that begins further to the left.

    Args:
        min_score (float): 0 to 1. Defaults to 0.6.
        min_size (float): Pixels of the image as it is on disk, 1 or more. Defaults to 32.
        several (str): ``'largest'``, by the area of the box (default); ``'central'``, the middle of
            whose box is nearest to the middle of the image; ``'score'``; or ``'refuse'``, an image
            of several faces has none that counts.

    Raises:
        ValueError: An argument is out of range.
    """

    min_score: float = 0.6
    min_size: float = 32
    several: str = 'largest'

    def __post_init__(self):
        if not 0 <= self.min_score <= 1:
            raise ValueError(f'min_score must be in [0, 1], not {self.min_score!r}')
        if not self.min_size >= 1:
            raise ValueError(f'min_size must be 1 or more pixels, not {self.min_size!r}')
        if self.several not in SEVERAL:
            raise ValueError(f'several must be one of {SEVERAL}, not {self.several!r}')

    def __call__(self, faces: list[Face], image: tuple[int, int]) -> Choice:
        """Choose one of the ``faces`` of an image of (width, height) pixels."""
        if not faces:
            return Choice(None, 'no face', 0)
        good = [face for face in faces if face.score >= self.min_score]
        if not good:
            best = max(face.score for face in faces)
            return Choice(None, f'best score {best:.3f} is below {self.min_score:g}', 0)
        large = [face for face in good if face.size >= self.min_size]
        if not large:
            size = max(face.size for face in good)
            return Choice(None, f'largest face has {size:.1f} px, below {self.min_size:g}', 0)
        if len(large) == 1:
            return Choice(large[0], 'only face', 1)
        if self.several == 'refuse':
            return Choice(None, f'{len(large)} faces', len(large))
        best = min(large, key=lambda face: (self._rank(face, image), -face.score, face.box[0]))
        return Choice(best, f'{_NAMES[self.several]} of {len(large)} faces', len(large))

    def _rank(self, face: Face, image: tuple[int, int]) -> float:
        """The lower the better."""
        if self.several == 'largest':
            return -face.area
        if self.several == 'score':
            return -face.score
        middle = (face.box[:2] + face.box[2:]) / 2
        return float(np.linalg.norm(middle - (np.array(image) - 1) / 2))
