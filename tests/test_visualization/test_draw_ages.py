# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from mmfer.visualization.ages import draw_ages

TRUE, PRED = np.array([3.0, 14.0, 15.0, 87.0]), np.array([5.0, 14.0, 25.0, 80.0])


def test_points_lie_at_true_and_predicted_age():
    scatter, _ = draw_ages(TRUE, PRED, title='model').axes
    points = scatter.collections[-1].get_offsets()
    np.testing.assert_array_equal(points, np.stack([TRUE, PRED], axis=1))
    assert scatter.get_xlim() == scatter.get_ylim() == (0, 90)
    assert scatter.get_title() == 'model\nMAE 4.75 years, CS@5 50.0 %'


def test_band_is_as_high_as_the_tolerance():
    scatter, _ = draw_ages(TRUE, PRED, theta=7).axes
    corners = scatter.collections[0].get_paths()[0].vertices
    at_zero = corners[corners[:, 0] == 0, 1]
    assert (at_zero.min(), at_zero.max()) == (-7, 7)
    assert 'CS@7 75.0 %' in scatter.get_title()


def test_bars_are_the_mean_errors_of_decades():
    _, bars = draw_ages(TRUE, PRED).axes
    assert [bar.get_height() for bar in bars.patches] == pytest.approx([2, 5, 7])
    names = [label.get_text() for label in bars.get_xticklabels()]
    assert names == ['0-9\n(1)', '10-19\n(2)', '80-89\n(1)']


def test_perfect_predictions_can_be_drawn():
    _, bars = draw_ages(TRUE, TRUE).axes
    assert bars.get_ylim()[1] > 0
