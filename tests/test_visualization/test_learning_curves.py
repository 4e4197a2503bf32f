# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from matplotlib.colors import to_rgba

from mmfer.visualization.figures import PALETTE
from mmfer.visualization.learning_curves import (
    Curve,
    average,
    draw_learning_curves,
    running_mean,
)


def curve(values, steps=None, part='training', unit='iteration'):
    steps = range(1, len(values) + 1) if steps is None else steps
    return Curve(part, unit, np.array(steps), np.array(values, float))


def log(shift=0.0, epochs=3):
    return {
        'loss': curve([2 + shift, 4, 1, 1, 0]),
        'lr': curve([5e-4, 4e-4, 3e-4, 2e-4, 1e-4]),
        'accuracy/top1': curve(
            [10 * n + shift for n in range(epochs)], part='validation', unit='epoch'
        ),
    }


def lines_of(axes, name):
    """The line of a run, and the original values behind it if they are drawn."""
    (line,) = [line for line in axes.lines if line.get_label() == name]
    return line, [other for other in axes.lines if other.get_color() == line.get_color()][:-1]


def test_running_mean():
    values = np.array([3.0, 1, 2, 6, 4])
    np.testing.assert_allclose(running_mean(values, 3), [2, 2, 3, 4, 5])
    np.testing.assert_array_equal(running_mean(values, 1), values)
    np.testing.assert_allclose(running_mean(values, 99), np.full(5, values.mean()))


def test_repetitions_are_averaged_where_all_have_values():
    mean, low, high = average([curve([1, 2, 3, 4]), curve([4, 8], steps=[2, 4])])
    np.testing.assert_array_equal(mean.steps, [2, 4])
    np.testing.assert_allclose([mean.values, low, high], [[3, 6], [2, 4], [4, 8]])
    with pytest.raises(ValueError, match=r'1 to 2 .*5 to 6 \(iterations\)'):
        average([curve([1, 2]), curve([1, 2], steps=[5, 6])])
    with pytest.raises(ValueError, match=r'1 to 1 \(epochs\)'):
        average([curve([1]), curve([1], unit='epoch')])


def test_each_key_has_a_panel_that_says_what_it_is():
    keys = ['loss', 'accuracy/top1', 'lr']
    figure = draw_learning_curves({'a': log(), 'b': log(1)}, keys, smooth=3, title='two runs')
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == [
        'loss (training)\nmean of 3 logged values',
        'accuracy/top1 (validation)',
        'lr (training)',
    ]
    assert [axes.get_xlabel() for axes in figure.axes] == ['iteration', 'epoch', 'iteration']
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ['a', 'b']
    for name, color in zip('ab', PALETTE, strict=False):
        line, _ = lines_of(figure.axes[1], name)
        assert to_rgba(line.get_color()) == to_rgba(color)
        np.testing.assert_array_equal(line.get_xdata(), [1, 2, 3])


def test_only_noise_of_training_is_smoothed():
    runs = {'a': log()}
    loss, rate = draw_learning_curves(runs, ['loss', 'lr'], smooth=3).axes
    line, (behind,) = lines_of(loss, 'a')
    np.testing.assert_allclose(line.get_ydata(), [3, 7 / 3, 2, 2 / 3, 0.5])
    np.testing.assert_allclose(behind.get_ydata(), [2, 4, 1, 1, 0])
    line, behind = lines_of(rate, 'a')
    assert not behind and 'mean' not in rate.get_title()
    np.testing.assert_allclose(line.get_ydata(), [5e-4, 4e-4, 3e-4, 2e-4, 1e-4])
    (loss,) = draw_learning_curves(runs, ['loss'], smooth=1).axes
    assert loss.get_title() == 'loss (training)'
    np.testing.assert_allclose(loss.lines[0].get_ydata(), [2, 4, 1, 1, 0])


def test_a_group_is_a_mean_and_a_band():
    figure = draw_learning_curves({'seeds': [log(0), log(3), log(6, epochs=2)]}, ['accuracy/top1'])
    (axes,) = figure.axes
    (line,) = axes.lines
    np.testing.assert_allclose(line.get_xydata(), [[1, 3], [2, 13]])
    (band,) = axes.collections
    corners = band.get_paths()[0].vertices
    assert {tuple(corner) for corner in corners} == {(1, 0), (1, 6), (2, 10), (2, 16)}
    (text,) = figure.legends[0].get_texts()
    assert text.get_text() == 'seeds (mean and range of 3)'


def test_a_run_without_a_key_is_omitted_from_its_panel():
    short = log()
    del short['lr']
    loss, rate = draw_learning_curves({'a': short, 'b': log()}, ['loss', 'lr']).axes
    assert {line.get_label() for line in loss.lines} >= {'a', 'b'}
    (line,) = rate.lines
    # The color stays that of the run.
    assert line.get_label() == 'b' and to_rgba(line.get_color()) == to_rgba(PALETTE[1])
    with pytest.raises(ValueError, match="1 of the 2 logs of 'seeds' .*lr"):
        draw_learning_curves({'seeds': [short, log()]}, ['lr'])


def test_errors():
    with pytest.raises(ValueError, match=r"\['los'\].*loss, lr, accuracy/top1"):
        draw_learning_curves({'a': log()}, ['loss', 'los'])
    with pytest.raises(ValueError, match='no keys to draw.*loss, lr, accuracy/top1'):
        draw_learning_curves({'a': log()}, [])
    with pytest.raises(ValueError, match='9 runs'):
        draw_learning_curves({str(i): log() for i in range(9)}, ['loss'])
    with pytest.raises(ValueError, match='smooth .* 4'):
        draw_learning_curves({'a': log()}, ['loss'], smooth=4)
    other = {'accuracy/top1': curve([1, 2], part='validation')}
    with pytest.raises(ValueError, match="'a' in epochs, 'b' in iterations"):
        draw_learning_curves({'a': log(), 'b': other}, ['accuracy/top1'])
