# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import random

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmcv.transforms.utils import cache_randomness

from mmfer.registry import TRANSFORMS

from .face_results import check_probability


def grey_channels(image: np.ndarray) -> np.ndarray:
    """The picture without its colours, in three equal channels; (H, W, 3) uint8 in BGR."""
    return cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)


@TRANSFORMS.register_module()
class RandomGreyFace(BaseTransform):
    """Take the colours out of a picture, at random.

    Three equal channels with the usual luma, 0.299 R + 0.587 G + 0.114 B, rounded. mmcv's
    ``RandomGrayscale`` with these weights rounds down, so that it is darker by up to one grey
    level, and computes in float64, which takes thirty times as long.

    Required and modified key: ``img``, (H, W, 3) uint8 in BGR.

    Args:
        prob: Probability, in [0, 1]. Default 0.1.

    Raises:
        ValueError: ``prob`` is outside [0, 1].
    """

    def __init__(self, prob: float = 0.1):
        self.prob = check_probability(self, prob)

    @cache_randomness
    def _rand_apply(self) -> bool:
        return random.random() < self.prob

    def transform(self, results: dict) -> dict:
        if self._rand_apply():
            results['img'] = grey_channels(results['img'])
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(prob={self.prob})'
