# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from matplotlib.colors import to_rgb

from mmfer.visualization.landmarks import LandmarkedFace, draw_landmarks

TRUE, PRED = to_rgb('#56b4e9'), to_rgb('#e69f00')


def face(num_points=98, seed=0, **kwargs):
    rng = np.random.default_rng(seed)
    truth, pred = rng.uniform(0, 40, (2, num_points, 2))
    return LandmarkedFace(np.full((30, 40, 3), 90, np.uint8), truth, pred, 12.34, **kwargs)


def test_points_are_drawn_where_they_are():
    shown = face(name='no. 3')
    (axes,) = draw_landmarks([shown]).axes
    truth, pred = axes.collections
    np.testing.assert_array_equal(truth.get_offsets(), shown.truth)
    np.testing.assert_array_equal(pred.get_offsets(), shown.pred)
    assert tuple(truth.get_facecolor()[0][:3]) == TRUE
    assert tuple(pred.get_facecolor()[0][:3]) == PRED
    assert axes.get_xlabel() == 'NME 12.3 %\nno. 3'


def test_image_keeps_its_size_whatever_was_predicted():
    shown = face()
    shown.pred = shown.pred + 500
    (axes,) = draw_landmarks([shown]).axes
    assert axes.get_xlim() == (-0.5, 39.5) and axes.get_ylim() == (29.5, -0.5)


def test_lines_go_through_all_points_but_the_pupils():
    shown = face()
    (axes,) = draw_landmarks([shown], lines=True).axes
    drawn = [line.get_xydata() for line in axes.lines if to_rgb(line.get_color()) == TRUE]
    visited = {tuple(point) for line in drawn for point in line}
    assert visited == {tuple(point) for point in shown.truth[:96]}
    # Brows, eyes and lips are closed; jaw and nose are not.
    assert sum(np.array_equal(line[0], line[-1]) for line in drawn) == 6 and len(drawn) == 9
    np.testing.assert_array_equal(axes.collections[0].get_offsets(), shown.truth[96:])


def test_sheet_has_rows():
    figure = draw_landmarks([face(seed=i) for i in range(5)], per_row=3, title='worst')
    assert len(figure.axes) == 6 and figure.get_suptitle() == 'worst'


def test_lines_need_the_points_of_wflw():
    with pytest.raises(ValueError, match=r'lines .*98.*\[68\]'):
        draw_landmarks([face(68)], lines=True)
    assert draw_landmarks([face(68)])
