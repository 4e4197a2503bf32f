# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""At which sizes an image is searched by a network that knows faces of some sizes only, and how
what was found at each of them becomes one list.

The numbers are YuNet's. Its eyes are as exact as they get for faces of 40 to 320 pixels; of a
larger face it takes parts, of 400 pixels and more, for faces (46 portraits, enlarged step by step).
"""

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from .face import Face

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


def fills(face: Face, width: int, height: int) -> bool:
    """Whether a face is about as large as the image, so that parts of it may lie outside."""
    return face.size > _FILLS * min(width, height)


def merge_faces(faces: Iterable[Face]) -> list[Face]:
    """Keep each face once: the best score of those whose boxes are about the same, or one of which
    lies in the other. Any order in, best score first out.
    """
    kept: list[Face] = []
    for face in sorted(faces, key=lambda face: -face.score):
        if not any(_is_same(face, other) for other in kept):
            kept.append(face)
    return kept


def _is_same(face: Face, other: Face) -> bool:
    corner, end = np.maximum(face.box[:2], other.box[:2]), np.minimum(face.box[2:], other.box[2:])
    both = float(np.prod(np.maximum(end - corner, 0)))
    either = face.area + other.area - both
    return both > _SAME * either or both > _WITHIN * min(face.area, other.area)
