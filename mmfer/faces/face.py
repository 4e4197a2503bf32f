# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from typing import NamedTuple

import numpy as np

#: Names of the five points of a face, in order; left and right as seen by the viewer.
POINT_NAMES = ('left_eye', 'right_eye', 'nose', 'left_mouth', 'right_mouth')


class Face(NamedTuple):
    """A face in an image.

    Integer coordinates are pixel centers, as in :mod:`mmfer.datasets.transforms.face_geometry`;
    (0, 0) is the center of the first pixel.
    """

    box: np.ndarray  #: Outer edges x1, y1, x2, y2 in pixels, float64 (4,); may be outside.
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
