# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Positions of the eyes, the nose and the corners of the mouth in an aligned image."""

import numpy as np

from mmfer.datasets.transforms.face_geometry import move_points, resize_map

TEMPLATE_SIZE = 112

#: (x, y) of the five points in 112x112 pixels, as used in face recognition since SphereFace and
#: ArcFace: theirs are for 96x112, here with 8 more pixels on the left and on the right.
_POINTS = np.array(
    [
        (38.2946, 51.6963),
        (73.5318, 51.5014),
        (56.0252, 71.7366),
        (41.5493, 92.3655),
        (70.7299, 92.2041),
    ]
)


def face_template(size: int) -> np.ndarray:
    """Return the five points in an image of ``size`` x ``size`` as a new array, float64 (5, 2).

    Sizes are related by image resizing: an aligned image of 224x224, resized to 112x112, has the
    same positions as one that was aligned at 112x112. The common alternative, to multiply the
    coordinates, is off by half a pixel of the larger image.
    """
    return move_points(_POINTS, resize_map((TEMPLATE_SIZE,) * 2, (size, size)))
