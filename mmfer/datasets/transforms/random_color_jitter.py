# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import random

import cv2
import mmcv
import numpy as np
from mmcv.transforms.utils import cache_randomness
from mmpretrain.datasets.transforms import ColorJitter

from mmfer.registry import TRANSFORMS


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


def blend(image: np.ndarray, factor: float, grey: int) -> np.ndarray:
    """Move all values away from a grey level (factor above 1) or towards it (below 1).

    With black that is mmcv's ``adjust_brightness``, with the picture's mean grey its
    ``adjust_contrast``, bit for bit, but computed for 256 values and not for every pixel.

    Args:
        image: (H, W, 3) uint8.
        factor: 0 or more.
        grey: 0 to 255.
    """
    values = np.arange(256, dtype=np.float32)
    moved = cv2.addWeighted(values, factor, np.full_like(values, grey), 1 - factor, 0)
    return cv2.LUT(image, np.clip(moved, 0, 255).astype(np.uint8))


def grey_channels(image: np.ndarray) -> np.ndarray:
    """The picture without its colours, in three equal channels; (H, W, 3) uint8 in BGR."""
    return cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)


def mean_grey(image: np.ndarray) -> int:
    """The grey level that the contrast of a picture (H, W, 3), uint8 in BGR, is measured from."""
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    return round(cv2.sumElems(grey)[0] / grey.size)


def saturate(image: np.ndarray, factor: float) -> np.ndarray:
    """Move all colours away from the grey picture (factor above 1) or towards it (below 1).

    mmcv's ``adjust_color``, bit for bit, in a third of its time.

    Args:
        image: (H, W, 3) uint8 in BGR.
        factor: 0 or more.
    """
    return cv2.addWeighted(image, factor, grey_channels(image), 1 - factor, 0)


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
        if not 0 <= prob <= 1:
            raise ValueError(f'RandomColorJitter: prob must be in [0, 1], not {prob}')
        super().__init__(brightness, contrast, saturation, hue, backend=backend)
        self.prob = prob

    @cache_randomness
    def _rand_apply(self) -> bool:
        return random.random() < self.prob

    def transform(self, results: dict) -> dict:
        if not self._rand_apply():
            return results
        order, brightness, contrast, saturation, hue = self._rand_params()
        steps = (
            (brightness, lambda image: self._brighten(image, brightness)),
            (contrast, lambda image: self._change_contrast(image, contrast)),
            (saturation, lambda image: self._saturate(image, saturation)),
            (hue, lambda image: shift_hue(image, hue)),
        )
        image = results['img']
        for index in order:
            amount, step = steps[index]
            if amount is not None:
                image = step(image)
        results['img'] = image
        return results

    def _brighten(self, image: np.ndarray, factor: float) -> np.ndarray:
        if self.backend == 'cv2':
            return blend(image, factor, 0)
        return mmcv.adjust_brightness(image, factor, self.backend)

    def _change_contrast(self, image: np.ndarray, factor: float) -> np.ndarray:
        if self.backend == 'cv2':
            return blend(image, factor, mean_grey(image))
        return mmcv.adjust_contrast(image, factor, self.backend)

    def _saturate(self, image: np.ndarray, factor: float) -> np.ndarray:
        if self.backend == 'cv2':
            return saturate(image, factor)
        return mmcv.adjust_color(image, factor, backend=self.backend)

    def __repr__(self) -> str:
        return f'{super().__repr__()[:-1]}, prob={self.prob})'
