# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import cv2
import numpy as np
from mmcv.transforms import BaseTransform

from mmfer.registry import TRANSFORMS

from .face_geometry import resize_map
from .face_results import check_size, put_image


def resize(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize to (width, height): by area averaging for downscaling, else by linear interpolation.

    ``INTER_AREA`` works only if no side grows.
    """
    before = image.shape[1::-1]
    if before == size:
        return image
    shrinks = size[0] <= before[0] and size[1] <= before[1]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return cv2.resize(image, size, interpolation=method)


@TRANSFORMS.register_module()
class ResizeFace(BaseTransform):
    """Resize the whole image to a square, without keeping its aspect ratio.

    In contrast, mmcv's ``Resize`` ignores ``gt_landmarks`` and ``face_box``, and moves key points
    by (zoom - 1) / 2 pixels less than the image.

    Required key: ``img``. Modified keys: ``img``, ``img_shape``, ``gt_landmarks`` and ``face_box``
    if present, ``warp_matrix`` (:func:`.put_image`). Added keys, as in mmcv: ``scale`` and
    ``scale_factor`` (width, height).

    Args:
        size (int): Width and height of the result in pixels.

    Raises:
        ValueError: ``size`` is not a positive integer.
    """

    def __init__(self, size: int):
        self.size = check_size(self, size)

    def transform(self, results: dict) -> dict:
        before, after = results['img'].shape[1::-1], (self.size, self.size)
        results['scale'] = after
        results['scale_factor'] = (after[0] / before[0], after[1] / before[1])
        return put_image(results, resize(results['img'], after), resize_map(before, after))

    def __repr__(self) -> str:
        return f'{type(self).__name__}(size={self.size})'
