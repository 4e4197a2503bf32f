# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import random
from collections.abc import Sequence

from mmcv.transforms import BaseTransform
from mmcv.transforms.utils import cache_randomness

from mmfer.registry import TRANSFORMS

from .face_geometry import rotation_map, warp
from .face_results import check_border, check_probability, put_image


@TRANSFORMS.register_module()
class RandomRotateFace(BaseTransform):
    """Rotate an image about its center, at random; the size stays, empty corners are filled.

    For images that are already cropped. If the surroundings of a face are available,
    :class:`RandomCropFace` rotates without empty corners and resamples once.

    Required key: ``img``. Modified keys: ``img``, ``gt_landmarks`` and ``face_box`` (the bounding
    box of the rotated box) if present, ``warp_matrix`` (:func:`.put_image`). Added key:
    ``rotate_angle``, degrees, clockwise; 0 if the image is unchanged.

    Args:
        max_angle (float): Maximum angle in degrees, in [0, 180]; uniform in both directions.
        prob (float): Probability of a rotation, in [0, 1]. Defaults to 1.
        border (str): Pixels outside of the image: ``'constant'`` for ``fill``, ``'replicate'`` for
            the nearest edge pixel. Defaults to ``'constant'``.
        fill (int | Sequence[int]): Gray value or BGR, 0 to 255. Defaults to 0, black.

    Raises:
        ValueError: An argument is out of range.
    """

    def __init__(
        self,
        max_angle: float,
        prob: float = 1.0,
        border: str = 'constant',
        fill: int | Sequence[int] = 0,
    ):
        if not 0 <= max_angle <= 180:
            raise ValueError(f'RandomRotateFace: max_angle must be in [0, 180], not {max_angle!r}')
        self.max_angle = max_angle
        self.prob = check_probability(self, prob)
        self.border = border
        self.fill = check_border(self, border, fill)

    @cache_randomness
    def _rand_angle(self) -> float:
        if random.random() >= self.prob:
            return 0.0
        return random.uniform(-self.max_angle, self.max_angle)

    def transform(self, results: dict) -> dict:
        results['rotate_angle'] = angle = self._rand_angle()
        if angle == 0:
            return results
        image = results['img']
        size = image.shape[1::-1]
        matrix = rotation_map(angle, *size)
        return put_image(results, warp(image, matrix, size, self.border, self.fill), matrix)

    def __repr__(self) -> str:
        settings = ', '.join(f'{key}={value!r}' for key, value in vars(self).items())
        return f'{type(self).__name__}({settings})'
