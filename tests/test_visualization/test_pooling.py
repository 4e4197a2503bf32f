# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import numpy as np

from mmfer.visualization.figures import INK, PALETTE
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


def face(truth=None):
    return PooledFace(
        image=np.zeros((32, 32, 3), np.uint8),
        kept={'app': np.arange(8), 'layers.1': np.arange(4)},
        grid=(4, 4),
        prediction='Fear',
        confidence=0.5,
        truth=truth,
    )


def test_every_face_is_next_to_its_stages():
    faces = [face(), face('Fear'), face('Anger')]
    figure = draw_pooling(faces, per_row=2)
    panels = [axes for axes in figure.axes if axes.get_images()]
    stages = ['APP: 8 of 16', 'ATP, block 2: 4 of 16']
    assert [axes.get_xlabel() for axes in panels] == [
        *('Fear 50%', *stages),
        *('Fear 50%', *stages),
        *('Fear 50% (is Anger)', *stages),
    ]
    assert {axes.get_subplotspec().rowspan.start for axes in panels[:6]} == {0}
    assert [axes.get_subplotspec().colspan.start for axes in panels[6:]] == [0, 1, 2]
    colors = [panels[index].xaxis.label.get_color() for index in (0, 3, 6)]
    assert colors == [INK, PALETTE[0], PALETTE[1]]
    kept = [np.mean(panel.get_images()[0].get_array() == 0) for panel in panels[:3]]
    assert kept == [1, 0.5, 0.25]
    assert len(draw_pooling(faces[:1], per_row=4).axes) == 3
