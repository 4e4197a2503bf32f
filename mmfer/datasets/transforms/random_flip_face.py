# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import random
from collections.abc import Sequence

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmcv.transforms.utils import cache_randomness

from mmfer.registry import TRANSFORMS
from mmfer.wflw_points import FLIP_INDICES

from .face_geometry import flip_map
from .face_results import check_probability, put_image


@TRANSFORMS.register_module()
class RandomFlipFace(BaseTransform):
    """Flip an image horizontally, at random, and reorder its landmarks.

    In a flipped image the point of the left pupil is the right pupil, so the points are moved and
    then reordered. mmcv's ``RandomFlip`` does neither for ``gt_landmarks``.

    Required key: ``img``. Modified keys: ``img``, ``img_shape``, ``gt_landmarks`` and ``face_box``
    if present, ``warp_matrix`` (:func:`.put_image`). Added keys, as in mmcv: ``flip`` (bool) and
    ``flip_direction`` (``'horizontal'`` or None).

    Args:
        prob (float): Probability, in [0, 1]. Defaults to 0.5.
        flip_indices (Sequence[int], optional): For each point, the index of its mirrored point.
            Defaults to None, WFLW's 98 points.

    Raises:
        ValueError: An argument is wrong, or a sample has another number of points.
    """

    def __init__(self, prob: float = 0.5, flip_indices: Sequence[int] | None = None):
        self.prob = check_probability(self, prob)
        self.flip_indices = FLIP_INDICES if flip_indices is None else np.array(flip_indices)
        order = np.arange(len(self.flip_indices))
        if not np.array_equal(np.sort(self.flip_indices), order) or not np.array_equal(
            self.flip_indices[self.flip_indices], order
        ):
            raise ValueError(
                'RandomFlipFace: flip_indices must pair each of the points 0 to N - 1 with its '
                f'mirrored point or with itself, not {self.flip_indices.tolist()}'
            )

    @cache_randomness
    def _rand_flip(self) -> bool:
        return random.random() < self.prob

    def transform(self, results: dict) -> dict:
        results['flip'] = self._rand_flip()
        results['flip_direction'] = 'horizontal' if results['flip'] else None
        return self._flip(results) if results['flip'] else results

    def _flip(self, results: dict) -> dict:
        image = results['img']
        put_image(results, cv2.flip(image, 1), flip_map(image.shape[1]))
        points = results.get('gt_landmarks')
        if points is not None:
            if len(points) != len(self.flip_indices):
                raise ValueError(
                    f'RandomFlipFace expects {len(self.flip_indices)} points, '
                    f'{results.get("img_path", "an image")!r} has {len(points)}; set flip_indices '
                    'of the transform'
                )
            results['gt_landmarks'] = points[self.flip_indices]
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(prob={self.prob}, {len(self.flip_indices)} points)'
