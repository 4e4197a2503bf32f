# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from mmcv.transforms import RandomGrayscale

from mmfer.registry import TRANSFORMS

from .face_results import check_probability


@TRANSFORMS.register_module()
class RandomGreyFace(RandomGrayscale):
    """Take the colours out of a picture, at random.

    mmcv's ``RandomGrayscale`` that leaves three equal channels with the usual luma, 0.299 R +
    0.587 G + 0.114 B, rounded down.

    Required and modified key: ``img``, (H, W, 3) uint8 in BGR.

    Args:
        prob: Probability, in [0, 1]. Default 0.1.

    Raises:
        ValueError: ``prob`` is outside [0, 1].
    """

    def __init__(self, prob: float = 0.1):
        super().__init__(check_probability(self, prob), True, (0.114, 0.587, 0.299))
