# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from dataclasses import dataclass

import numpy as np

from .face import Face

SEVERAL = ('largest', 'central', 'score', 'refuse')

_NAMES = {'largest': 'largest', 'central': 'most central', 'score': 'best score'}


@dataclass(frozen=True)
class Choice:
    """The selected face of an image, or the reason why there is none.

    Attributes:
        face (Face, optional): The face; None if no face was selected.
        reason (str): A short reason.
        num_faces (int): Number of faces with a sufficient score and size.
    """

    face: Face | None
    reason: str
    num_faces: int


@dataclass(frozen=True)
class FaceChoice:
    """Rules that select one face of an image, in this order:

    1. Faces with a score below ``min_score`` are ignored.
    2. Faces whose box has a shorter side below ``min_size`` are ignored.
    3. If several faces are left, ``several`` decides. Ties are broken by the higher score, then by
       the smaller left edge.

    Args:
        min_score (float): Smallest score, 0 to 1. Defaults to 0.6.
        min_size (float): Smallest size in pixels of the original image, 1 or more. Defaults to 32.
        several (str): ``'largest'``, by the area of the box (default); ``'central'``, the face
            whose box center is closest to the center of the image; ``'score'``, the highest score;
            or ``'refuse'``, no face is selected.

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
        """Select one of the ``faces`` of an image of (width, height) pixels."""
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
        """Return a sort key; the face with the smallest one is selected."""
        if self.several == 'largest':
            return -face.area
        if self.several == 'score':
            return -face.score
        middle = (face.box[:2] + face.box[2:]) / 2
        return float(np.linalg.norm(middle - (np.array(image) - 1) / 2))
