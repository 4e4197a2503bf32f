# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import warnings

from mmcv.transforms import RandomGrayscale

from mmfer.registry import TRANSFORMS

from .colors import check_channel_order, gray_channels
from .face_results import check_probability


@TRANSFORMS.register_module()
class RandomGrayFace(RandomGrayscale):
    """Convert an image to gray, at random.

    mmcv's ``RandomGrayscale`` with three equal channels of the usual luma, 0.299 R + 0.587 G +
    0.114 B, rounded by OpenCV.

    Required and modified key: ``img``, (H, W, 3) uint8 in BGR.

    Args:
        prob (float): Probability, in [0, 1]. Defaults to 0.1.
        channel_order (str): ``'bgr'``, or ``'bgr_as_rgb'`` to swap red and blue, see
            :mod:`.colors`. Defaults to ``'bgr'``.

    Raises:
        ValueError: ``prob`` is outside [0, 1], or ``channel_order`` is unknown.
    """

    def __init__(self, prob: float = 0.1, channel_order: str = 'bgr'):
        super().__init__(check_probability(self, prob), keep_channels=True)
        self.channel_order = check_channel_order(self, channel_order)

    def transform(self, results: dict) -> dict:
        if self._random_prob() < self.prob:
            results['img'] = gray_channels(results['img'], self.channel_order)
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(prob={self.prob}, channel_order={self.channel_order!r})'


@TRANSFORMS.register_module()
class RandomGreyFace(RandomGrayFace):
    """Deprecated name of :class:`RandomGrayFace`; warns and will be removed."""

    def __init__(self, *args, **kwargs):
        warnings.warn('RandomGreyFace is now called RandomGrayFace', FutureWarning, stacklevel=2)
        super().__init__(*args, **kwargs)
