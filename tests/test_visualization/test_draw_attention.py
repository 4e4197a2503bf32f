# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from matplotlib import colormaps
from matplotlib.colors import Normalize

from mmfer.visualization.attention import (
    AttendedFace,
    AttentionRow,
    draw_attention,
    outline,
    overlay,
    relative_relevance,
)
from mmfer.visualization.figures import save_figure

ALL = range(16)


def face(first=ALL, last=ALL, **fields):
    relevance = np.zeros(16)
    relevance[list(first)] = np.linspace(0, 0.1, len(first))
    return AttendedFace(
        image=np.full((32, 32, 3), 90, np.uint8),
        grid=(4, 4),
        prediction='Fear',
        confidence=0.5,
        relevance=relevance.reshape(4, 4),
        first=np.array(first),
        last=np.array(last),
        **fields,
    )


def test_relevance_is_compared_with_an_even_share():
    relative = relative_relevance(np.array([[0.1, 0.3], [0.2, 0.2]]))
    np.testing.assert_allclose(relative, [[0.5, 1.5], [1, 1]])
    np.testing.assert_array_equal(relative_relevance(np.zeros((2, 2))), np.zeros((2, 2)))


def test_outline_is_every_edge_between_kept_and_dropped():
    segments = outline(np.array([0, 1, 4]), grid=(2, 3), size=(20, 60))  # kept: X X . / . X .
    wanted = {
        ((40, 0), (40, 10)),  # right of patch 1
        ((20, 10), (20, 20)),  # left of patch 4
        ((40, 10), (40, 20)),  # right of patch 4
        ((0, 10), (20, 10)),  # under patch 0
    }
    drawn = {tuple(map(tuple, segment + 0.5)) for segment in segments}
    assert drawn == wanted
    assert outline(np.arange(6), (2, 3), (20, 60)).shape == (0, 2, 2)


def test_overlay_colors_what_entered_and_fades_the_rest():
    colors = colormaps['viridis']
    attended = face(first=range(8))  # the upper half
    drawn = overlay(attended, Normalize(0, 4, clip=True), colors)
    assert drawn.shape == (32, 32, 3) and drawn.dtype == np.uint8
    assert (drawn[16:] > 220).all()
    patches = drawn[:16].reshape(2, 8, 4, 8, 3)
    assert (patches == patches[:, :1, :, :1]).all()  # one color per patch: the face is plain
    gray = 0.25 + 0.75 * 90 / 255
    value = relative_relevance(attended.relevance)[1, 2] / 4
    wanted = 255 * (0.6 * np.array(colors(value)[:3]) + 0.4 * gray)
    np.testing.assert_allclose(patches[1, 0, 2, 0], wanted, atol=1)


@pytest.mark.parametrize('with_before', [True, False])
def test_columns_and_captions(with_before, tmp_path):
    after = face(range(12), range(9), truth='Anger')
    before = face(truth='Fear') if with_before else None
    row = AttentionRow({12: np.arange(12), 6: np.arange(6)}, before, after)
    figure = draw_attention([row, row], ('old', 'new'), 'faces')
    axes = [axis for axis in figure.axes if axis.get_images()]
    columns = 4 + with_before
    assert len(axes) == 2 * columns
    heads = [axis.get_title() for axis in axes[:columns]]
    assert heads == ['input', 'k = 12 of 16', 'k = 6 of 16', *['old'] * with_before, 'new']
    assert axes[0].get_xlabel() == 'Anger'
    assert axes[columns - 1].get_xlabel() == 'Fear 50% (is Anger)'
    assert axes[columns - 2].get_xlabel() == ('Fear 50%' if with_before else '')
    (crosses, _) = [c for c in axes[columns - 1].collections if len(c.get_offsets()) == 3]
    # Patches 9, 10 and 11 of 8x8 pixels, as x and y.
    np.testing.assert_allclose(crosses.get_offsets(), [[11.5, 19.5], [19.5, 19.5], [27.5, 19.5]])
    save_figure(figure, tmp_path / 'attention.svg')
    assert (tmp_path / 'attention.svg').stat().st_size > 10_000


def test_a_map_for_another_class_says_so():
    rows = [AttentionRow({}, None, face(target=name)) for name in ('Fear', 'Anger')]
    axes = [axis for axis in draw_attention(rows).figure.axes if axis.get_images()]
    assert [axis.get_xlabel() for axis in axes[1::2]] == ['Fear 50%', 'Fear 50%\nmap for Anger']


def test_all_maps_have_one_scale():
    row = AttentionRow({}, None, face())
    peaked = face()
    peaked.relevance = np.eye(4) * 0.1
    figure = draw_attention([row, AttentionRow({}, None, peaked)])
    bar = next(axis for axis in figure.axes if 'even share' in axis.get_ylabel())
    assert bar.get_ylim() == (0, 4)
