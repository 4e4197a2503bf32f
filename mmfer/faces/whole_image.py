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
    """A detector for aligned images, whose one face fills the image.

    It returns one face whose points match the template, so that aligning it only resizes the image.
    An image that is not square is centered in a square without cropping.
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
