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
    """Crop a square around a face, with random scale, shift and rotation.

    A random variation of :class:`CropFace` for training. The image is resampled only once, and the
    borders of the crop show the real surroundings of the face if the image has them.

    Required and modified keys: those of :class:`CropFace`. Added key: ``rotate_angle``, degrees,
    clockwise.

    Args:
        kind (str): ``'tight'`` or ``'loose'``.
        size (int): Width and height of the result in pixels.
        scale_range (Sequence[float]): Range (low, high) of a uniform factor on the side of the
            square. Defaults to (0.9, 1.1).
        max_shift (float): Maximum shift of the square, horizontally and vertically, as a share of
            its side, in [0, 1]; both are uniform and independent. Defaults to 0.05.
        max_angle (float): Maximum rotation of the content in degrees, in [0, 180]; uniform in both
            directions. Defaults to 0.
        **kwargs: ``scale``, ``shift``, ``source``, ``border`` and ``fill`` of :class:`CropFace`.

    Raises:
        ValueError: An argument is wrong, see :class:`CropFace`.
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
        """Draw the factor of the side, the shifts right and down in sides, and the angle."""
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
