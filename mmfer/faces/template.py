# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Where the eyes, the nose and the corners of the mouth lie in an aligned image."""

import numpy as np

from mmfer.datasets.transforms.face_geometry import move_points, resize_map

TEMPLATE_SIZE = 112

#: (x, y) of the five points in 112x112 pixels, the places that face recognition uses since
#: SphereFace and ArcFace: of 96x112 there, with 8 more pixels on either side here.
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
    """The five points in an image of ``size`` x ``size``: float64 (5, 2), new.

    Sizes are related as in resizing: an aligned image of 224x224 that is halved shows every thing
    where one of 112x112 has it. Multiplying the numbers instead, as is often done, is half a pixel
    of the larger image beside that.
    """
    return move_points(_POINTS, resize_map((TEMPLATE_SIZE,) * 2, (size, size)))
