# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from matplotlib import colormaps
from matplotlib.colors import to_rgb

from mmfer.visualization.figures import luminance
from mmfer.visualization.heat_map import draw_heat_map

VALUES = np.array([[65.91, 66.5, np.nan], [66.2, 66.94, 66.0]])
ROWS, COLUMNS = ['196', '160'], ['1', '0.9', '0.8']


def draw(values=VALUES, rows=ROWS, columns=COLUMNS, **arguments):
    figure = draw_heat_map(values, rows, columns, **arguments)
    figure.draw_without_rendering()
    return figure


def cell_colors(axes):
    """The fill of each cell by (column, row)."""
    (cells,) = axes.collections
    corners = cells.get_coordinates()[:-1, :-1].reshape(-1, 2)
    fills = cells.to_rgba(cells.get_array()).reshape(-1, 4)
    return {
        tuple((corner + 0.5).astype(int)): tuple(fill[:3])
        for corner, fill in zip(corners, fills, strict=True)
    }


def test_numbers_are_in_their_cells():
    axes = draw(title='AffectNet', row_title='k', column_title='r').axes[0]
    written = {text.get_position(): text.get_text() for text in axes.texts}
    assert written == {
        (0, 0): '65.91',
        (1, 0): '66.50',
        (2, 0): '–',
        (0, 1): '66.20',
        (1, 1): '66.94',
        (2, 1): '66.00',
    }
    assert [label.get_text() for label in axes.get_yticklabels()] == ROWS
    assert [label.get_text() for label in axes.get_xticklabels()] == COLUMNS
    assert axes.get_ylim() == (1.5, -0.5)  # the first row is at the top
    assert (axes.get_title(), axes.get_xlabel(), axes.get_ylabel()) == ('AffectNet', 'r', 'k')
    assert draw(digits=0).axes[0].texts[0].get_text() == '66'


def test_colors_run_from_the_smallest_to_the_largest_value():
    figure = draw(label='accuracy (%)')
    colors = cell_colors(figure.axes[0])
    assert colors[0, 0] == colormaps['cividis'](0.0)[:3]
    assert colors[1, 1] == colormaps['cividis'](1.0)[:3]
    lightness = {place: luminance(color) for place, color in colors.items()}
    order = [(0, 0), (2, 1), (0, 1), (1, 0), (1, 1)]
    assert order == sorted(order, key=lightness.get)
    bar = figure.axes[1]
    assert bar.get_ylim() == (65.91, 66.94) and bar.get_ylabel() == 'accuracy (%)'


def test_a_cell_that_was_not_run_is_gray_and_hatched():
    axes = draw().axes[0]
    (hatched,) = axes.patches
    assert hatched.get_xy() == (1.5, -0.5) and hatched.get_hatch()
    red, green, blue = cell_colors(axes)[2, 0]
    assert red == green == blue


def test_published_numbers_are_below_and_do_not_affect_colors():
    published = np.full((2, 3), np.nan)
    published[0, 0], published[0, 2] = 65.0, 60.5
    plain, compared = draw().axes[0], draw(published=published).axes[0]
    assert cell_colors(plain) == cell_colors(compared)
    small = [text for text in compared.texts if text.get_text().startswith('paper')]
    assert [text.get_text() for text in small] == ['paper 65.00', 'paper 60.50']
    for text in small:
        (main,) = [
            other
            for other in compared.texts
            if other is not text
            and other.get_position()[0] == text.get_position()[0]
            and round(other.get_position()[1]) == round(text.get_position()[1])
        ]
        assert main.get_position()[1] < text.get_position()[1]  # y grows downwards
        assert main.get_fontsize() > text.get_fontsize()
        boxes = [t.get_window_extent() for t in (main, text)]
        assert not boxes[0].overlaps(boxes[1])


def test_text_has_contrast_on_every_color():
    values = np.linspace(0, 1, 60).reshape(6, 10)
    axes = draw(values, list('abcdef'), list('0123456789')).axes[0]
    colors = cell_colors(axes)
    for text in axes.texts:
        dark, light = sorted(map(luminance, (text.get_color(), colors[text.get_position()])))
        assert (light + 0.05) / (dark + 0.05) > 3.8


@pytest.mark.parametrize('values', [[[50.0]], [[np.nan]], [[7.0, 7.0]]])
def test_one_value_or_none(values):
    values = np.array(values)
    axes = draw(values, ['a'], ['b', 'c'][: values.shape[1]]).axes
    assert len(axes) == 1 + np.isfinite(values).any()  # without values there is no color bar
    if np.isfinite(values).any():
        middle = colormaps['cividis'](0.5)[:3]
        assert to_rgb(cell_colors(axes[0])[0, 0]) == pytest.approx(middle, abs=0.01)


def test_tables_of_other_sizes_are_an_error():
    with pytest.raises(ValueError, match=r'values .*\(2, 3\)'):
        draw_heat_map(VALUES, ROWS, ['a', 'b'])
    with pytest.raises(ValueError, match=r'published .*\(3, 2\).*\(2, 3\)'):
        draw_heat_map(VALUES, ROWS, COLUMNS, published=VALUES.T)
    with pytest.raises(ValueError, match=r'values .*\(0, 2\)'):
        draw_heat_map(np.zeros((0, 2)), [], ['a', 'b'])
