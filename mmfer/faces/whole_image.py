# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import numpy as np

from mmfer.datasets.transforms.face_geometry import (
    Square,
    crop_map,
    image_box,
    invert,
    move_points,
)

from .detector import FaceDetector
from .face import Face
from .template import TEMPLATE_SIZE, face_template


class WholeImage(FaceDetector):
    """For images that are aligned already: the face fills the image.

    Reports one face whose points are where the template has them, so that aligning it is resizing
    the image. One that is not square is fitted into the middle of a square, nothing is cut off.
    """

    _decimals = 9  # computed, not measured: resizing to the same size copies

    @property
    def settings(self) -> dict:
        return dict(type='whole')

    def _find(self, image: np.ndarray) -> list[Face]:
        height, width = image.shape[:2]
        square = Square((width - 1) / 2, (height - 1) / 2, max(width, height))
        to_image = invert(crop_map(square, TEMPLATE_SIZE))
        points = move_points(face_template(TEMPLATE_SIZE), to_image)
        return [Face(image_box(width, height).astype(np.float64), 1.0, points)]
