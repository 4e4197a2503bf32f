# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Multi-scale face detection for networks that detect a limited range of sizes: plan the sizes of
the image, and merge the detections.

The numbers of the passes are for YuNet. Its eye points are most accurate for faces of 40 to 320
pixels. In faces of 400 pixels and more, it detects parts as faces (measured on 46 portraits,
enlarged step by step).
"""

import math
from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np

from .detector import move_face, shrink
from .face import Face

#: Largest longer side of an image that is searched in one piece, pixels: limits the memory.
WHOLE = 2560

#: Largest face that is searched for in the tiles of a larger image, pixels. Larger faces have 20
#: pixels or more in the shrunk image, for images of up to 16,000 pixels.
SMALL = 128
_TILE = 2048  # side of a tile without the overlap with its neighbors, pixels

#: Faces larger than this in the input of the network are left to the next pass, pixels.
LARGEST = 320

#: Longer sides of the network's input after the first pass, pixels.
COARSER = (640, 240)

#: Border added around an image that a face fills, relative to its longer side, so that points of
#: faces that extend beyond the image are detected. If half of the cheeks is outside, the largest
#: eye error was 17.5 % of the distance of the eyes without it, and 8.5 % with it. It makes
#: portraits worse: 5.5 % instead of 4.8 % on average.
BORDER = 1 / 6
_FILLS = 0.85  # of the shorter side

_SAME = 0.3  # IoU above which two boxes are one face; the value of OpenCV's sample
_ABOUT = 0.02  # difference of similar scores; MTCNN's are .999 and more for most faces
_WITHIN = 0.6  # intersection over the smaller box, above which that is a part of the other face


class Pass(NamedTuple):
    """One run of the network on an image."""

    side: int  #: Longer side to which it is shrunk, pixels.
    largest: float  #: Size of the largest face to keep, in pixels of the network's input.


def plan_passes(side: int) -> list[Pass]:
    """Return the passes for an image with a longer side of ``side`` pixels, the finest first.

    Together they have at most 1.6 times the pixels of the image.
    """
    sides = [side, *(coarser for coarser in COARSER if side >= 1.5 * coarser)]
    return [*(Pass(finer, LARGEST) for finer in sides[:-1]), Pass(sides[-1], math.inf)]


def search_parts(
    image: np.ndarray,
    search_whole: Callable[[np.ndarray], list[Face]],
    search_tile: Callable[[np.ndarray], list[Face]],
) -> list[Face]:
    """Detect the faces of an image of any size: shrunk to :data:`WHOLE`, and in tiles.

    Args:
        image (np.ndarray): uint8 (H, W, 3).
        search_whole (Callable[[np.ndarray], list[Face]]): Detects faces of all sizes in an image of
            at most ``WHOLE`` pixels.
        search_tile (Callable[[np.ndarray], list[Face]]): Detects faces of at most :data:`SMALL`
            pixels in a tile of the image.

    Returns:
        The faces without duplicates, best score first, in pixels of ``image``.
    """
    height, width = image.shape[:2]
    if max(height, width) <= WHOLE:
        return merge_faces(search_whole(image))
    small, back = shrink(image, WHOLE)
    found = [move_face(face, back) for face in search_whole(small)]
    for rows in plan_tiles(height):
        for columns in plan_tiles(width):
            tile = image[rows.start : rows.stop, columns.start : columns.stop]
            shift = np.array([[1, 0, columns.start], [0, 1, rows.start]], float)
            for face in (move_face(face, shift) for face in search_tile(tile)):
                x, y = (face.box[:2] + face.box[2:]) / 2
                if face.size <= SMALL and columns.owns(x) and rows.owns(y):
                    found.append(face)
    return merge_faces(found)


class Span(NamedTuple):
    """Range of a tile along one side of the image.

    Only faces whose centers are between ``first`` and ``last`` are kept: the tile contains all of
    them.
    """

    start: int  #: First pixel.
    stop: int  #: Last pixel + 1.
    first: float  #: Smallest center of a face.
    last: float  #: Largest center of a face.

    def owns(self, middle: float) -> bool:
        return self.first <= middle <= self.last


def plan_tiles(side: int) -> list[Span]:
    """Split a side of the image into spans of similar length that overlap by ``2 * SMALL``."""
    count = math.ceil(side / _TILE)
    edges = [round(index * side / count) for index in range(count + 1)]
    # A quarter more on both sides, as the center of a face may differ between two tiles.
    return [
        Span(
            max(start - SMALL, 0),
            min(stop + SMALL, side),
            -math.inf if start == 0 else start - SMALL / 4,
            math.inf if stop == side else stop + SMALL / 4,
        )
        for start, stop in zip(edges[:-1], edges[1:], strict=True)
    ]


def fills(face: Face, width: int, height: int) -> bool:
    """Whether a face fills the image, so that parts of it may be outside."""
    return face.size > _FILLS * min(width, height)


def merge_faces(faces: Iterable[Face]) -> list[Face]:
    """Remove duplicate faces, and return the others, best score first.

    Boxes are duplicates if they overlap, or if one is inside the other. The one with the best score
    is kept. If scores are similar, a box replaces a smaller one inside it, which is a part of the
    face, but not if two boxes are inside it.
    """
    kept: list[Face] = []
    for face in sorted(faces, key=lambda face: -face.score):
        same = [index for index, other in enumerate(kept) if _is_same(face, other)]
        if not same:
            kept.append(face)
        elif len(same) == 1 and _is_whole_of(face, kept[same[0]]):
            kept[same[0]] = face
    return sorted(kept, key=lambda face: -face.score)


def _is_whole_of(face: Face, part: Face) -> bool:
    return face.area > 2 * part.area and face.score >= part.score - _ABOUT


def _is_same(face: Face, other: Face) -> bool:
    corner, end = np.maximum(face.box[:2], other.box[:2]), np.minimum(face.box[2:], other.box[2:])
    both = float(np.prod(np.maximum(end - corner, 0)))
    either = face.area + other.area - both
    return both > _SAME * either or both > _WITHIN * min(face.area, other.area)
