# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""What was made quicker gives the same bytes."""

import cv2
import mmcv
import numpy as np
import pytest

from mmfer.datasets.transforms.face_geometry import Square, crop_map, warp
from mmfer.datasets.transforms.random_color_jitter import blend, mean_grey, saturate


@pytest.mark.parametrize('shape', [(1, 1), (7, 5), (40, 33)])
@pytest.mark.parametrize('factor', [0.0, 0.613, 1.0, 1.4, 2.7])
def test_jitter_is_mmcvs(shape, factor):
    image = np.random.randint(0, 256, (*shape, 3), dtype=np.uint8)
    bright = mmcv.adjust_brightness(image, factor, 'cv2')
    assert np.array_equal(blend(image, factor, 0), bright)
    contrast = mmcv.adjust_contrast(image, factor, 'cv2')
    assert np.array_equal(blend(image, factor, mean_grey(image)), contrast)
    colour = mmcv.adjust_color(image, factor, backend='cv2')
    assert np.array_equal(saturate(image, factor), colour)


@pytest.mark.parametrize('angle', [0.0, 13.0])
@pytest.mark.parametrize('side', [20, 45, 90, 300])
@pytest.mark.parametrize('border', ['constant', 'replicate'])
def test_channels_of_a_warp_are_independent(angle, side, border):
    """A colour picture goes through OpenCV with four channels, a grey one with one."""
    image = np.random.randint(0, 256, (70, 60, 3), dtype=np.uint8)
    matrix = crop_map(Square(31.3, 28.8, side), 24, angle)
    whole = warp(image, matrix, (24, 24), border, (3, 2, 1))
    single = [
        warp(channel, matrix, (24, 24), border, (fill,) * 3)
        for channel, fill in zip(cv2.split(image), (3, 2, 1), strict=True)
    ]
    assert np.array_equal(whole, np.stack(single, axis=-1))
