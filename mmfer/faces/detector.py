# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from abc import ABC, abstractmethod

import numpy as np

from mmfer.datasets.transforms.face_geometry import invert, move_box, move_points, resize_map, warp

from .face import Face

#: Longer side to which detectors shrink larger images for the search, unless told otherwise.
MAX_SIDE = 6144

#: The same for frames of films and cameras, which come many times a second.
MAX_FRAME_SIDE = 640


class FaceDetector(ABC):
    """Finds faces and five points of each.

    ``detector(image)`` takes an image, uint8 (H, W, 3) in BGR, and returns its faces, best score
    first, in pixels of that image, rounded to a thousandth. ``detector(image, max_side=640)``
    searches this one at a smaller size.

    A subclass writes :meth:`_find` and :attr:`settings`.

    Args:
        max_side (int, optional): An image whose longer side has more pixels is shrunk to as many
            for the search; the faces found are in its own pixels all the same. None: never.

    Raises:
        TypeError: What is searched is no uint8 array.
        ValueError: It has another shape, or ``max_side`` is not 32 or more.
    """

    # What is reported is what is computed with, and sums taken in another order do not change it.
    _decimals = 3

    def __init__(self, max_side: int | None = None):
        if max_side is not None and not max_side >= 32:
            raise ValueError(
                f'{type(self).__name__}: max_side must be 32 or more pixels, or None, '
                f'not {max_side!r}'
            )
        self.max_side = max_side

    @property
    @abstractmethod
    def settings(self) -> dict:
        """All that decides what is found, in plain values; versions of files and libraries too."""

    @abstractmethod
    def _find(self, image: np.ndarray) -> list[Face]:
        """Search an image of at most ``max_side`` pixels; any order."""

    def __call__(self, image: np.ndarray, max_side: int | None = None) -> list[Face]:
        self._check(image)
        limit = min(side for side in (self.max_side, max_side, max(image.shape[:2])) if side)
        if limit == max(image.shape[:2]):
            faces = self._find(image)
        else:
            small, back = shrink(image, limit)
            faces = [move_face(face, back) for face in self._find(small)]
        faces = [
            Face(
                face.box.astype(np.float64).round(self._decimals),
                round(face.score, self._decimals),
                face.points.astype(np.float64).round(self._decimals),
            )
            for face in faces
        ]
        # Equal scores in a fixed order, whatever the order of the search.
        return sorted(faces, key=lambda face: (-face.score, *face.box.tolist()))

    def _check(self, image: np.ndarray) -> None:
        name = type(self).__name__
        if not isinstance(image, np.ndarray) or image.dtype != np.uint8:
            what = getattr(image, 'dtype', type(image).__name__)
            raise TypeError(f'{name} searches uint8 arrays (H, W, 3) in BGR, not {what}')
        if image.ndim != 3 or image.shape[2] != 3 or not image.size:
            raise ValueError(f'{name} searches images (H, W, 3) in BGR, not {image.shape}')


def shrink(image: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Shrink an image such that its longer side has ``side`` pixels; also returns the map back."""
    height, width = image.shape[:2]
    zoom = side / max(height, width)
    size = max(round(width * zoom), 1), max(round(height * zoom), 1)
    matrix = resize_map((width, height), size)
    return warp(image, matrix, size), invert(matrix)


def move_face(face: Face, matrix: np.ndarray) -> Face:
    """Map box and points of a face."""
    return Face(move_box(face.box, matrix), face.score, move_points(face.points, matrix))
