# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Images with drawn faces at known places, and a detector that knows these places."""

import numpy as np

from mmfer.datasets.transforms.crop_face import FOREHEAD
from mmfer.faces import Face, FaceDetector, face_template
from mmfer.inference.face_cutter import _FACE_UNITS, _UP
from mmfer.synth.camera import CROPS

SIZE = 32
GRAY = 96


def detected_box(x: int, y: int, size: int = SIZE, crop: str = 'loose') -> np.ndarray:
    """Return the box whose crop is the square of ``size`` pixels that starts at pixel (x, y)."""
    side = size * _FACE_UNITS / CROPS[crop]
    middle = np.array([x, y]) + (size - 1) / 2 - np.array([0, _UP]) * side
    x1, y1 = middle - side / 2
    x2, y2 = middle + side / 2
    return np.array([x1, y2 - side / (1 - FOREHEAD), x2, y2])


def paste(faces, places, height: int = 80, width: int = 120) -> np.ndarray:
    """Return a gray image with ``faces`` (S, S, 3) at ``places`` (x, y)."""
    image = np.full((height, width, 3), GRAY, np.uint8)
    for face, (x, y) in zip(faces, places, strict=True):
        image[y : y + len(face), x : x + len(face)] = face
    return image


class KnownFaces(FaceDetector):
    """Find a face of ``size`` pixels at each of the ``places`` that is not gray."""

    _decimals = 9  # a square that starts at a pixel is not resampled

    def __init__(self, places, size: int = SIZE, crop: str = 'loose', score: float = 0.9):
        super().__init__(None)
        self.places, self.size, self.crop, self.score = places, size, crop, score

    @property
    def settings(self) -> dict:
        return dict(type='known')

    def _find(self, image: np.ndarray) -> list[Face]:
        found = []
        for index, (x, y) in enumerate(self.places):
            part = image[y : y + self.size, x : x + self.size]
            # With a tolerance, because videos are lossy.
            if np.abs(part.astype(int) - GRAY).mean() > 5:
                box = detected_box(x, y, self.size, self.crop)
                points = face_template(self.size) + (x, y)
                found.append(Face(box, self.score - index / 100, points))
        return found
