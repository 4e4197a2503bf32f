# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from mmfer.evaluation.functional.verification import roc_curve
from mmfer.visualization.roc import draw_roc


def curve(shift, seed=0):
    rng = np.random.default_rng(seed)
    return roc_curve(rng.normal(shift, 1, 200), [rng.normal(0, 1, 5000)])


def test_curves_and_marks_are_where_the_rates_are():
    curves = {'baseline': curve(1), 'adapter': curve(2)}
    (axes,) = draw_roc(curves, fars=(0.01, 0.1), title='people').axes
    assert axes.get_xscale() == 'log' and axes.get_title() == 'people'
    lines = {line.get_label(): line for line in axes.lines}
    for name, expected in curves.items():
        (label,) = [text for text in lines if text.startswith(name)]
        assert f'{100 * expected.tar_at(0.01):.1f} % at FAR 1 %' in label
        assert f'AUC {expected.auc:.4f}' in label
        far, tar = lines[label].get_data()
        inside = expected.far > far.min()
        np.testing.assert_array_equal(far[inside], expected.far[inside])
        np.testing.assert_allclose(tar, 100 * expected.tar)
    marks = [line for line in axes.lines if line.get_marker() == 'o']
    for mark, expected in zip(marks, curves.values(), strict=True):
        np.testing.assert_allclose(
            mark.get_data(), [(0.01, 0.1), [100 * expected.tar_at(far) for far in (0.01, 0.1)]]
        )


def test_axis_reaches_to_one_false_acceptance():
    (axes,) = draw_roc({'a': curve(1)}).axes
    assert axes.get_xlim()[0] == pytest.approx(1 / 5000)
    assert '5,000 pairs of two people' in axes.get_xlabel()
    (axes,) = draw_roc({'a': curve(1)}, fars=(1e-4,)).axes
    assert axes.get_xlim()[0] < 1e-4


def test_more_curves_than_colors_are_refused():
    with pytest.raises(ValueError, match='9 ROC curves'):
        draw_roc({str(index): curve(1) for index in range(9)})
