# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import cv2
import numpy as np

from mmfer.visualization.pooling import PooledFace, draw_pooling, erase_dropped, keep_mask


def test_keep_mask_covers_the_pixels_of_the_kept_patches():
    mask = keep_mask(np.array([0, 5]), grid=(2, 3), size=(4, 6))
    wanted = np.zeros((4, 6), bool)
    wanted[0:2, 0:2] = True  # row 0, column 0
    wanted[2:4, 4:6] = True  # row 1, column 2
    np.testing.assert_array_equal(mask, wanted)


def test_erase_dropped_leaves_kept_pixels_alone_and_fades_the_others():
    image = np.full((4, 4, 3), 40, np.uint8)
    erased = erase_dropped(image, np.array([1]), grid=(2, 2))
    assert (erased[:2, 2:] == 40).all()
    assert (erased[2:] > 220).all() and (erased[:, :2] > 220).all()


def test_draw_pooling_writes_a_picture_with_every_stage(tmp_path):
    face = PooledFace(
        image=np.zeros((32, 32, 3), np.uint8),
        kept={'app': np.arange(8), 'layers.1': np.arange(4)},
        grid=(4, 4),
        prediction='Fear',
        confidence=0.5,
        truth='Anger',
    )
    path = tmp_path / 'new/sheet.png'
    draw_pooling([face] * 3, str(path), per_row=2)
    height, width = cv2.imread(str(path)).shape[:2]
    assert width > 2 * height  # two rows of six pictures
