# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import random
from functools import partial

import cv2
import mmcv
import numpy as np
from mmcv.transforms.utils import cache_randomness
from mmpretrain.datasets.transforms import ColorJitter

from mmfer.registry import TRANSFORMS

from .face_results import check_probability


def shift_hue(image: np.ndarray, shift: float) -> np.ndarray:
    """Turn the colour circle.

    Args:
        image: (H, W, 3) uint8 in BGR.
        shift: Part of a full turn, in [-0.5, 0.5].

    Returns:
        The changed image, same shape and type.
    """
    hsv = cv2.cvtColor(image, cv2.COLOR_BGR2HSV_FULL)  # hue 0..255 for the whole circle
    steps = int(shift * 255) % 256
    hsv[..., 0] += np.uint8(steps)  # uint8 wraps around, as the circle does
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR_FULL)


@TRANSFORMS.register_module()
class RandomColorJitter(ColorJitter):
    """Change brightness, contrast, saturation and hue at random, in random order.

    mmpretrain's ``ColorJitter`` with two differences. It is applied with a probability. And hue
    works: mmcv's ``adjust_hue`` casts the shift to uint8, which numpy 2 refuses for the negative
    half of the range, so that one picture in two would end the training.

    Required and modified key: ``img``, (H, W, 3) uint8 in BGR.

    Args:
        brightness: Factor range (low, high), or b for (max(0, 1 - b), 1 + b). Default 0.
        contrast: The same, against the picture's mean grey. Default 0.
        saturation: The same, against the grey picture. Default 0.
        hue: Shift range (low, high) within [-0.5, 0.5], or h for (-h, h). Default 0.
        prob: Probability with which the image is changed at all. Default 1.
        backend: ``'cv2'`` or ``'pillow'`` for the first three; the results differ by at most one
            grey level, and OpenCV is quicker. Default ``'cv2'``.

    Raises:
        ValueError: ``prob`` is outside [0, 1], or a single number is negative.
    """

    def __init__(
        self,
        brightness: float | tuple = 0.0,
        contrast: float | tuple = 0.0,
        saturation: float | tuple = 0.0,
        hue: float | tuple = 0.0,
        prob: float = 1.0,
        backend: str = 'cv2',
    ):
        super().__init__(brightness, contrast, saturation, hue, backend=backend)
        self.prob = check_probability(self, prob)

    @cache_randomness
    def _rand_apply(self) -> bool:
        return random.random() < self.prob

    def transform(self, results: dict) -> dict:
        if not self._rand_apply():
            return results
        order, brightness, contrast, saturation, hue = self._rand_params()
        steps = (
            (brightness, partial(mmcv.adjust_brightness, backend=self.backend)),
            (contrast, partial(mmcv.adjust_contrast, backend=self.backend)),
            (saturation, partial(mmcv.adjust_color, backend=self.backend)),
            (hue, shift_hue),
        )
        for index in order:
            amount, step = steps[index]
            if amount is not None:
                results['img'] = step(results['img'], amount)
        return results

    def __repr__(self) -> str:
        return f'{super().__repr__()[:-1]}, prob={self.prob})'
