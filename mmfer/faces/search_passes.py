# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""At which sizes an image is searched by a network that knows faces of some sizes only, and how
what was found at each of them becomes one list.

The numbers of the passes are YuNet's. Its eyes are as exact as they get for faces of 40 to 320
pixels; of a larger face it takes parts, of 400 pixels and more, for faces (46 portraits, enlarged
step by step).
"""

import math
from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np

from .detector import move_face, shrink
from .face import Face

#: Longer side of what is searched in one piece, pixels: memory does not grow with larger images.
WHOLE = 2560

#: Size of the largest face that the tiles of a larger image are searched for, pixels. What is
#: larger has 20 pixels or more in the whole, up to images of 16,000 pixels.
SMALL = 128
_TILE = 2048  # side of a tile without what it shares with its neighbors, pixels

#: Faces of more pixels in what the network sees are left to the next pass.
LARGEST = 320

#: Longer sides of what the network sees behind the first pass, pixels.
COARSER = (640, 240)

#: What is laid around an image that a face fills, in longer sides of it: so the points of faces
#: that reach beyond it are found. Where half of the cheeks is outside, eyes were 17.5 % of their
#: distance off without it and 8.5 % with it, at worst. Around portraits it does harm: 5.5 % instead
#: of 4.8 % on average.
BORDER = 1 / 6
_FILLS = 0.85  # of the shorter side

_SAME = 0.3  # overlap of two boxes, area in both by area in either; the value of OpenCV's sample
_ABOUT = 0.02  # difference of scores; MTCNN's are .999 and more for most faces
_WITHIN = 0.6  # area in both by the area of the smaller box, from which that is a part of a face


class Pass(NamedTuple):
    """One look at an image."""

    side: int  #: Longer side to which it is shrunk, pixels.
    largest: float  #: Size of the largest face that counts, pixels of what the network sees.


def plan_passes(side: int) -> list[Pass]:
    """The passes over an image whose longer side has ``side`` pixels, the finest first.

    Together they have at most 1.6 times as many pixels as the image.
    """
    sides = [side, *(coarser for coarser in COARSER if side >= 1.5 * coarser)]
    return [*(Pass(finer, LARGEST) for finer in sides[:-1]), Pass(sides[-1], math.inf)]


def search_parts(
    image: np.ndarray,
    search_whole: Callable[[np.ndarray], list[Face]],
    search_tile: Callable[[np.ndarray], list[Face]],
) -> list[Face]:
    """Search an image of any size: shrunk to :data:`WHOLE`, and for small faces tile by tile.

    Args:
        image (np.ndarray): uint8 (H, W, 3).
        search_whole (Callable[[np.ndarray], list[Face]]): Finds faces of all sizes in an image of
            at most ``WHOLE`` pixels.
        search_tile (Callable[[np.ndarray], list[Face]]): Finds faces of at most :data:`SMALL`
            pixels in a part of the image.

    Returns:
        Each face once, best score first, in pixels of ``image``.
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
    """Where a tile lies along one side of the image."""

    start: int  #: First pixel.
    stop: int  #: Behind the last one.
    first: float  #: The tile counts faces whose middle is not before this,
    last: float  #: nor behind this: they are whole in it.

    def owns(self, middle: float) -> bool:
        return self.first <= middle <= self.last


def plan_tiles(side: int) -> list[Span]:
    """Cut a side of the image into spans of about equal length that share ``2 * SMALL`` pixels."""
    count = math.ceil(side / _TILE)
    edges = [round(index * side / count) for index in range(count + 1)]
    # A quarter more on either side, as two tiles may see the middle of a face at different pixels.
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
    """Whether a face is about as large as the image, so that parts of it may lie outside."""
    return face.size > _FILLS * min(width, height)


def merge_faces(faces: Iterable[Face]) -> list[Face]:
    """Keep each face once: the best score of those whose boxes are about the same, or one of which
    lies in the other. At about the same score a box counts more than one that lies in it, which is
    a part of the face; not where two lie in it. Any order in, best score first out.
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
