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


def cell_colours(axes):
    """The fill of each cell by (column, row)."""
    filled = [patch for patch in axes.patches if patch.get_hatch() is None]
    return {
        (int(patch.get_x() + 0.5), int(patch.get_y() + 0.5)): patch.get_facecolor()[:3]
        for patch in filled
    }


def test_numbers_stand_in_their_cells():
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


def test_colours_run_from_the_smallest_to_the_largest_value():
    figure = draw(label='accuracy (%)')
    colours = cell_colours(figure.axes[0])
    assert colours[0, 0] == colormaps['cividis'](0.0)[:3]
    assert colours[1, 1] == colormaps['cividis'](1.0)[:3]
    lightness = {place: luminance(colour) for place, colour in colours.items()}
    order = [(0, 0), (2, 1), (0, 1), (1, 0), (1, 1)]
    assert order == sorted(order, key=lightness.get)
    bar = figure.axes[1]
    assert bar.get_ylim() == (65.91, 66.94) and bar.get_ylabel() == 'accuracy (%)'


def test_a_cell_that_was_not_run_is_grey_and_hatched():
    axes = draw().axes[0]
    (hatched,) = [patch for patch in axes.patches if patch.get_hatch()]
    assert hatched.get_xy() == (1.5, -0.5)
    red, green, blue = cell_colours(axes)[2, 0]
    assert red == green == blue


def test_published_numbers_stand_below_and_do_not_colour():
    published = np.full((2, 3), np.nan)
    published[0, 0], published[0, 2] = 65.0, 60.5
    plain, compared = draw().axes[0], draw(published=published).axes[0]
    assert cell_colours(plain) == cell_colours(compared)
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


def test_text_has_contrast_on_every_colour():
    values = np.linspace(0, 1, 60).reshape(6, 10)
    axes = draw(values, list('abcdef'), list('0123456789')).axes[0]
    colours = cell_colours(axes)
    for text in axes.texts:
        dark, light = sorted(map(luminance, (text.get_color(), colours[text.get_position()])))
        assert (light + 0.05) / (dark + 0.05) > 3.8


@pytest.mark.parametrize('values', [[[50.0]], [[np.nan]], [[7.0, 7.0]]])
def test_one_value_or_none(values):
    values = np.array(values)
    axes = draw(values, ['a'], ['b', 'c'][: values.shape[1]]).axes
    assert len(axes) == 1 + np.isfinite(values).any()  # nothing run: no colour bar
    if np.isfinite(values).any():
        middle = colormaps['cividis'](0.5)[:3]
        assert to_rgb(cell_colours(axes[0])[0, 0]) == pytest.approx(middle, abs=0.01)


def test_tables_of_other_sizes_are_refused():
    with pytest.raises(ValueError, match=r'values .* 2 rows and 2 columns .* \(2, 3\)'):
        draw_heat_map(VALUES, ROWS, ['a', 'b'])
    with pytest.raises(ValueError, match=r'published .* \(3, 2\); it must be \(2, 3\)'):
        draw_heat_map(VALUES, ROWS, COLUMNS, published=VALUES.T)
    with pytest.raises(ValueError, match='a row and a column at least'):
        draw_heat_map(np.zeros((0, 2)), [], ['a', 'b'])
