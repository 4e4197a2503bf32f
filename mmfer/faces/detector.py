# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from abc import ABC, abstractmethod

import numpy as np

from mmfer.datasets.transforms.face_geometry import invert, move_box, move_points, resize_map, warp

from .face import Face

#: Default of ``max_side``, the longer side to which detectors shrink larger images, pixels.
MAX_SIDE = 6144

#: The same for frames of videos and cameras, which must be processed quickly.
MAX_FRAME_SIDE = 640


class FaceDetector(ABC):
    """Base class of detectors of faces and their five points.

    ``detector(image)`` returns the faces of an image, uint8 (H, W, 3) in BGR, best score first, in
    pixels of that image, rounded to three decimals. ``detector(image, max_side=640)`` detects them
    at a smaller size.

    Subclasses implement :meth:`_find` and :attr:`settings`.

    Args:
        max_side (int, optional): Images with a longer side above this are shrunk to it for
            detection; faces are still in pixels of the original image. Defaults to None, never.

    Raises:
        TypeError: The image is not a uint8 array.
        ValueError: The image has another shape, or ``max_side`` is below 32.
    """

    # Faces are rounded, so that reported and used values are equal, and do not depend on the order
    # of sums.
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
        """All that detections depend on, as plain values, including versions of files and
        libraries.
        """

    @abstractmethod
    def _find(self, image: np.ndarray) -> list[Face]:
        """Detect the faces of an image of at most ``max_side`` pixels, in any order."""

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
        # Faces with equal scores have a fixed order that does not depend on the search.
        return sorted(faces, key=lambda face: (-face.score, *face.box.tolist()))

    def _check(self, image: np.ndarray) -> None:
        name = type(self).__name__
        if not isinstance(image, np.ndarray) or image.dtype != np.uint8:
            what = getattr(image, 'dtype', type(image).__name__)
            raise TypeError(f'{name} needs a uint8 array (H, W, 3) in BGR, not {what}')
        if image.ndim != 3 or image.shape[2] != 3 or not image.size:
            raise ValueError(f'{name} needs an image (H, W, 3) in BGR, not {image.shape}')


def shrink(image: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Shrink an image to a longer side of ``side`` pixels; also return the inverse map (2, 3)."""
    height, width = image.shape[:2]
    zoom = side / max(height, width)
    size = max(round(width * zoom), 1), max(round(height * zoom), 1)
    matrix = resize_map((width, height), size)
    return warp(image, matrix, size), invert(matrix)


def move_face(face: Face, matrix: np.ndarray) -> Face:
    """Apply an affine map (2, 3) to the box and the points of a face."""
    return Face(move_box(face.box, matrix), face.score, move_points(face.points, matrix))
