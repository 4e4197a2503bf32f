# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import random
from collections.abc import Sequence

from mmcv.transforms.utils import cache_randomness

from mmfer.registry import TRANSFORMS

from .crop_face import CropFace
from .face_geometry import Square
from .face_results import check_size


@TRANSFORMS.register_module()
class RandomCropFace(CropFace):
    """Cut out the square around a face, at random a little larger, beside it and turned.

    What :class:`CropFace` cuts out, changed for training. The image is resampled once, and what
    comes in at the sides is the surroundings of the face, as far as the image has them.

    Required and modified keys: those of :class:`CropFace`. Added: ``rotate_angle``, degrees, in
    which an image was turned clockwise.

    Args:
        kind (str): ``'tight'`` or ``'loose'``.
        size (int): Width and height of the result in pixels.
        scale_range (Sequence[float]): The square's side is multiplied with a number of this range,
            uniformly. Default (0.9, 1.1).
        max_shift (float): The square is moved right and down by up to this share of its side,
            uniformly and independently, [0, 1]. Defaults to 0.05.
        max_angle (float): The content is turned by up to this many degrees, uniformly, [0, 180].
            Defaults to 0.
        **kwargs: ``scale``, ``shift``, ``source``, ``border`` and ``fill`` of :class:`CropFace`.

    Raises:
        ValueError: As :class:`CropFace`.
    """

    def __init__(
        self,
        kind: str,
        size: int,
        scale_range: Sequence[float] = (0.9, 1.1),
        max_shift: float = 0.05,
        max_angle: float = 0.0,
        **kwargs,
    ):
        super().__init__(kind, check_size(self, size), **kwargs)
        if len(scale_range) != 2 or not 0 < scale_range[0] <= scale_range[1]:
            raise ValueError(
                f'RandomCropFace: scale_range must be (low, high) with 0 < low <= high, not '
                f'{scale_range!r}'
            )
        if not 0 <= max_shift <= 1:
            raise ValueError(f'RandomCropFace: max_shift must be in [0, 1], not {max_shift!r}')
        if not 0 <= max_angle <= 180:
            raise ValueError(f'RandomCropFace: max_angle must be in [0, 180], not {max_angle!r}')
        self.scale_range = tuple(scale_range)
        self.max_shift = max_shift
        self.max_angle = max_angle

    @cache_randomness
    def _rand_params(self) -> tuple[float, float, float, float]:
        """Factor of the side, right and down in sides, angle."""
        return (
            random.uniform(*self.scale_range),
            random.uniform(-self.max_shift, self.max_shift),
            random.uniform(-self.max_shift, self.max_shift),
            random.uniform(-self.max_angle, self.max_angle),
        )

    def transform(self, results: dict) -> dict:
        factor, right, down, angle = self._rand_params()
        x, y, side = self.square(results)
        square = Square(x + right * side, y + down * side, factor * side)
        results['rotate_angle'] = angle
        return self._cut(results, square, self.size, angle)
