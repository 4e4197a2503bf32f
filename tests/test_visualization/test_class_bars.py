# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from matplotlib.colors import to_rgba

from mmfer.datasets import EXPRESSIONS
from mmfer.visualization.class_bars import draw_class_bars
from mmfer.visualization.figures import PALETTE

SERIES = {
    'APViT': {'Anger': 80.0, 'Fear': 50.0, 'Neutral': 95.0},
    'baseline': {'Anger': 70.0, 'Neutral': 90.0, 'Contempt': 0.0},
}


def bars_of(axes):
    """Model -> (centers, heights) of its bars."""
    return {
        container.get_label(): (
            np.array([bar.get_x() + bar.get_width() / 2 for bar in container]),
            np.array([bar.get_height() for bar in container]),
        )
        for container in axes.containers
        if container.get_label() in SERIES
    }


def test_every_class_has_a_group_and_the_mean_is_on_the_right():
    (axes,) = draw_class_bars(SERIES, title='RAF-DB').axes
    names = [label.get_text() for label in axes.get_xticklabels()]
    assert names == ['Anger', 'Fear', 'Neutral', 'Contempt', 'mean of\nclasses']
    assert axes.get_title() == 'RAF-DB'
    bars = bars_of(axes)
    np.testing.assert_allclose(bars['APViT'][1], [80, 50, 95, np.nan, 75])
    np.testing.assert_allclose(bars['baseline'][1], [70, np.nan, 90, 0, 160 / 3])
    # Side by side, around the tick of their group.
    ticks = axes.get_xticks()
    np.testing.assert_allclose((bars['APViT'][0] + bars['baseline'][0]) / 2, ticks)
    assert (bars['APViT'][0] < bars['baseline'][0]).all()


def test_every_bar_has_its_value_and_every_model_its_color():
    figure = draw_class_bars(SERIES)
    (axes,) = figure.axes
    written = sorted(text.get_text() for text in axes.texts if text.get_text())
    assert written == sorted(['80.0', '50.0', '95.0', '75.0', '70.0', '90.0', '0.0', '53.3'])
    for color, container in zip(PALETTE, axes.containers, strict=False):
        assert {bar.get_facecolor() for bar in container} == {to_rgba(color)}
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == list(SERIES)


def test_a_mean_and_spreads_are_taken_as_given():
    spreads = {'APViT': {'Anger': 3.0, 'mean': 1.0}}
    (axes,) = draw_class_bars({'APViT': {'Anger': 80.0, 'mean': 77.0}}, spreads=spreads).axes
    np.testing.assert_allclose(bars_of(axes)['APViT'][1], [80, 77])
    (errors,) = [c for c in axes.containers if hasattr(c, 'has_yerr')]
    spans = [segment[:, 1] for segment in errors[2][0].get_segments()]
    np.testing.assert_allclose(spans, [[77, 83], [76, 78]])


def test_a_bar_without_a_spread_has_its_value_on_top_and_no_error_bar():
    figure = draw_class_bars(
        {'APViT': {'Anger': 80.0, 'Fear': 60.0}}, spreads={'APViT': {'Fear': 5}}
    )
    (axes,) = figure.axes
    assert [text.xy[1] for text in axes.texts] == [80, 65, 70]
    (errors,) = [c for c in axes.containers if hasattr(c, 'has_yerr')]
    spans = [segment[:, 1].tolist() for segment in errors[2][0].get_segments() if len(segment)]
    assert spans == [[55, 65]]


def test_eight_classes_of_four_models_do_not_touch():
    rng = np.random.default_rng(0)
    names = [*EXPRESSIONS, 'Contempt']
    series = {f'model {i}': {name: rng.uniform(0, 100) for name in names} for i in range(4)}
    series['model 0']['Fear'] = 100.0
    for chosen in (series, {'model 0': series['model 0']}):
        figure = draw_class_bars(chosen)
        figure.draw_without_rendering()
        (axes,) = figure.axes
        for texts in (axes.texts, axes.get_xticklabels()):
            boxes = sorted((text.get_window_extent() for text in texts), key=lambda box: box.x0)
            assert len(boxes) >= 9
            assert all(a.x1 < b.x0 for a, b in zip(boxes, boxes[1:], strict=False))
        inside = axes.get_window_extent()
        assert all(text.get_window_extent().y1 <= inside.y1 for text in axes.texts)


@pytest.mark.parametrize(
    ('series', 'message'),
    [
        ({}, '0 models'),
        ({str(i): {'a': 1.0} for i in range(5)}, '5 models'),
        ({'a': {}, 'b': {'mean': 3.0}}, r"\['a', 'b'\]"),
        ({'a': {'Fear': 101.0}}, "'a' .* Fear 101"),
        ({'a': {'Fear': 3.0, 'mean': -1.0}}, 'mean -1'),
    ],
)
def test_errors(series, message):
    with pytest.raises(ValueError, match=message):
        draw_class_bars(series)


def test_a_model_without_results_yet_is_a_gap():
    (axes,) = draw_class_bars({'APViT': {'Fear': 50.0}, 'baseline': {}}).axes
    np.testing.assert_allclose(bars_of(axes)['baseline'][1], [np.nan, np.nan])
    assert [text.get_text() for text in axes.texts] == ['50.0', '50.0', '', '']
