# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""The faster implementations return the same bytes."""

import mmcv
import numpy as np
import pytest

from mmfer.datasets.transforms.colors import blend, mean_gray, saturate


@pytest.mark.parametrize('shape', [(1, 1), (7, 5), (40, 33)])
@pytest.mark.parametrize('factor', [0.0, 0.613, 1.0, 1.4, 2.7])
def test_jitter_is_mmcvs(shape, factor):
    image = np.random.randint(0, 256, (*shape, 3), dtype=np.uint8)
    bright = mmcv.adjust_brightness(image, factor, 'cv2')
    assert np.array_equal(blend(image, factor, 0), bright)
    contrast = mmcv.adjust_contrast(image, factor, 'cv2')
    assert np.array_equal(blend(image, factor, mean_gray(image)), contrast)
    color = mmcv.adjust_color(image, factor, backend='cv2')
    assert np.array_equal(saturate(image, factor), color)
