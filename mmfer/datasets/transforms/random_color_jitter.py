# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import random

from mmcv.transforms.utils import cache_randomness
from mmpretrain.datasets.transforms import ColorJitter

from mmfer.registry import TRANSFORMS

from .colors import blend, check_channel_order, mean_gray, saturate, shift_hue
from .face_results import check_probability


@TRANSFORMS.register_module()
class RandomColorJitter(ColorJitter):
    """Change brightness, contrast, saturation and hue at random, in random order.

    There are three differences to mmpretrain's ``ColorJitter``. It is applied with a probability.
    Colors can be interpreted as in APViT's released code. And hue works: mmcv's ``adjust_hue``
    casts the shift to uint8, which is an error with numpy 2 for the negative half of the range, so
    every other image would stop the training.

    Required and modified key: ``img``, (H, W, 3) uint8 in BGR.

    Args:
        brightness (float | tuple): Factor range (low, high), or b for (max(0, 1 - b), 1 + b).
            Defaults to 0.
        contrast (float | tuple): The same, relative to the image's mean gray. Defaults to 0.
        saturation (float | tuple): The same, relative to the gray image. Defaults to 0.
        hue (float | tuple): Shift range (low, high) within [-0.5, 0.5], or h for (-h, h). Defaults
            to 0.
        prob (float): Probability of any change. Defaults to 1.
        channel_order (str): ``'bgr'``, or ``'bgr_as_rgb'`` to swap red and blue, see
            :mod:`.colors`. Defaults to ``'bgr'``.

    Raises:
        ValueError: ``prob`` is outside [0, 1], ``channel_order`` is unknown, or a single number is
            negative.
    """

    def __init__(
        self,
        brightness: float | tuple = 0.0,
        contrast: float | tuple = 0.0,
        saturation: float | tuple = 0.0,
        hue: float | tuple = 0.0,
        prob: float = 1.0,
        channel_order: str = 'bgr',
    ):
        super().__init__(brightness, contrast, saturation, hue, backend='cv2')
        self.prob = check_probability(self, prob)
        self.channel_order = check_channel_order(self, channel_order)

    @cache_randomness
    def _rand_apply(self) -> bool:
        return random.random() < self.prob

    def transform(self, results: dict) -> dict:
        if not self._rand_apply():
            return results
        order, brightness, contrast, saturation, hue = self._rand_params()
        channels = self.channel_order
        steps = (
            (brightness, lambda image: blend(image, brightness, 0)),
            (contrast, lambda image: blend(image, contrast, mean_gray(image, channels))),
            (saturation, lambda image: saturate(image, saturation, channels)),
            (hue, lambda image: shift_hue(image, hue, channels)),
        )
        image = results['img']
        for index in order:
            amount, step = steps[index]
            if amount is not None:
                image = step(image)
        results['img'] = image
        return results

    def __repr__(self) -> str:
        own = f'prob={self.prob}, channel_order={self.channel_order!r}'
        return f'{super().__repr__()[:-1]}, {own})'
