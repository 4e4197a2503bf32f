# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from typing import NamedTuple

import numpy as np

#: What the five points of a face are, in their order; left and right are the viewer's.
POINT_NAMES = ('left_eye', 'right_eye', 'nose', 'left_mouth', 'right_mouth')


class Face(NamedTuple):
    """A face in an image.

    Whole numbers are the centers of pixels, (0, 0) that of the first, as everywhere in
    :mod:`mmfer.datasets.transforms.face_geometry`.
    """

    box: np.ndarray  #: Outer edges x1, y1, x2, y2 in pixels, float64 (4,); may reach outside.
    score: float  #: The detector's confidence, 0 to 1.
    points: np.ndarray  #: (x, y) of :data:`POINT_NAMES` in pixels, float64 (5, 2).

    @property
    def size(self) -> float:
        """Shorter side of the box, pixels."""
        return float(min(self.box[2] - self.box[0], self.box[3] - self.box[1]))

    @property
    def area(self) -> float:
        """Area of the box, square pixels."""
        return float((self.box[2] - self.box[0]) * (self.box[3] - self.box[1]))
