# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from mmfer.visualization.valence_arousal import draw_valence_arousal

TRUE = np.array([(-1, 0.5), (0, 0), (1, 0.5), (0.5, -1)])
PRED = np.array([(-0.5, 0.5), (0, 0), (0.5, 0.5), (0.25, -1)])


def offsets(axes):
    return [np.asarray(points.get_offsets()) for points in axes.collections]


def test_each_number_over_its_label_and_all_faces_in_the_circle():
    figure = draw_valence_arousal(TRUE, PRED, 'model')
    valence, arousal, circumplex = figure.axes
    for column, axes in enumerate((valence, arousal)):
        (points,) = offsets(axes)
        np.testing.assert_array_equal(points, np.stack([TRUE[:, column], PRED[:, column]], 1))
    # Half of the range: 2 / (2 + 0.5) with means of 1 / 8 and 1 / 16.
    spread = TRUE[:, 0].var()
    expected = spread / (1.25 * spread + 0.0625**2)
    assert valence.get_title() == f'valence: CCC {expected:.3f}'
    assert arousal.get_title() == 'arousal: CCC 1.000'
    np.testing.assert_array_equal(offsets(circumplex), [TRUE, PRED])
    assert circumplex.get_title() == 'circumplex: 4 faces'
    assert [text.get_text() for text in circumplex.get_legend().get_texts()] == [
        'true',
        'predicted',
    ]
    assert figure.get_suptitle() == 'model'
    assert all(axes.get_xlim() == axes.get_ylim() == (-1.05, 1.05) for axes in figure.axes)


def test_one_face_can_be_drawn():
    figure = draw_valence_arousal(TRUE[:1], PRED[:1])
    assert figure.axes[2].get_title() == 'circumplex: 1 face'


@pytest.mark.parametrize('shape', [(0, 2), (4,), (4, 3)])
def test_other_shapes_are_named(shape):
    with pytest.raises(ValueError, match='draw_valence_arousal'):
        draw_valence_arousal(np.zeros(shape), np.zeros(shape))
