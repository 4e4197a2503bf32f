# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import colorsys
import itertools

import cv2
import numpy as np
import pytest
from matplotlib.colors import to_rgb, to_rgba

from mmfer.visualization.figures import (
    FAINT,
    INK,
    PALETTE,
    check_legible,
    line_style,
    luminance,
    new_figure,
    new_panels,
    save_figure,
    show_image,
    text_color,
    tidy,
)

# Linear RGB as seen without red, green or blue cones (Viénot, Brettel and Mollon, 1999, for
# the first two).
_DEUTERANOPIA = np.array([[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1]])
_PROTANOPIA = np.array([[0.11238, 0.88762, 0], [0.11238, 0.88762, 0], [0.00401, -0.00401, 1]])


@pytest.mark.parametrize('seen_as', [np.eye(3), _DEUTERANOPIA, _PROTANOPIA])
def test_colors_are_distinguishable_with_color_blindness(seen_as):
    linear = np.array([to_rgb(color) for color in PALETTE]) ** 2.2
    seen = np.clip(linear @ seen_as.T, 0, 1).astype(np.float32) ** (1 / 2.2)
    lab = cv2.cvtColor(seen[None].astype(np.float32), cv2.COLOR_RGB2Lab)[0]
    for a, b in itertools.combinations(lab, 2):
        assert np.linalg.norm(a - b) > 10


def test_first_colors_are_saturated():
    assert all(colorsys.rgb_to_hsv(*to_rgb(color))[1] > 0.3 for color in PALETTE[:6])


@pytest.mark.parametrize(('name', 'begins'), [('a.png', b'\x89PNG'), ('a.PDF', b'%PDF')])
def test_suffix_decides_the_kind_of_file(tmp_path, name, begins):
    path = tmp_path / 'new' / name
    save_figure(new_figure(2, 1), path)
    assert path.read_bytes().startswith(begins)
    assert [file.name for file in path.parent.iterdir()] == [name]


def test_size_is_in_inches(tmp_path):
    save_figure(new_figure(2, 1, dpi=50), tmp_path / 'a.png')
    assert cv2.imread(str(tmp_path / 'a.png')).shape == (50, 100, 3)


@pytest.mark.parametrize('name', ['figure', 'figure.xyz'])
def test_other_suffixes_are_refused(tmp_path, name):
    with pytest.raises(ValueError, match=f'{name}: .*png'):
        save_figure(new_figure(1, 1), tmp_path / name)


def test_luminance_of_the_corners_of_the_cube():
    assert luminance('white') == pytest.approx(1) and luminance('black') == 0
    assert luminance('#00ff00') > luminance('#ff0000') > luminance('#0000ff')
    assert luminance((0.5, 0.5, 0.5)) == pytest.approx(0.2140, abs=1e-4)


@pytest.mark.parametrize(
    ('background', 'ink'), [('white', INK), ('black', 'white'), ('#0072b2', 'white'), ('#999', INK)]
)
def test_text_has_the_larger_contrast(background, ink):
    assert text_color(background) == ink


def test_panels_fill_rows_and_the_last_row_may_be_incomplete():
    figure, panels = new_panels(5, 3, (2, 1.5), (0.5, 0.25), title='five')
    assert figure.get_size_inches().tolist() == [6.5, 3.25] and figure.get_suptitle() == 'five'
    assert panels == figure.axes[:5] and all(panel.axison for panel in panels)
    assert not figure.axes[5].axison
    places = [panel.get_subplotspec() for panel in panels]
    assert [(place.rowspan.start, place.colspan.start) for place in places] == [
        (0, 0),
        (0, 1),
        (0, 2),
        (1, 0),
        (1, 1),
    ]
    # Fewer panels than a row holds do not make it wider.
    figure, panels = new_panels(2, 3, (2, 1))
    assert figure.get_size_inches().tolist() == [4, 1] and len(figure.axes) == 2


@pytest.mark.parametrize(('grid', 'lines'), [('both', (True, True)), ('y', (False, True))])
def test_tidy_axes_have_two_sides_and_a_grid(grid, lines):
    axes = new_figure(2, 2).subplots()
    tidy(axes, grid)
    seen = {side for side, spine in axes.spines.items() if spine.get_visible()}
    assert seen == {'left', 'bottom'}
    shown = [axis.get_gridlines()[0].get_visible() for axis in (axes.xaxis, axes.yaxis)]
    assert tuple(shown) == lines


def test_an_image_keeps_its_size_and_has_a_caption():
    axes = new_figure(2, 2).subplots()
    image = np.zeros((30, 40, 3), np.uint8)
    show_image(axes, image, 'Fear', PALETTE[1])
    axes.scatter([500], [500])
    assert axes.get_xlim() == (-0.5, 39.5) and axes.get_ylim() == (29.5, -0.5)
    assert axes.get_xlabel() == 'Fear' and axes.xaxis.label.get_color() == PALETTE[1]
    assert not len(axes.get_xticks()) and not len(axes.get_yticks())
    assert axes.spines['top'].get_edgecolor() == to_rgba(FAINT)


def test_lines_differ_in_color_and_dashes():
    styles = [line_style(index) for index in range(len(PALETTE))]
    assert tuple(style['color'] for style in styles) == PALETTE
    assert all(a['linestyle'] != b['linestyle'] for a, b in itertools.pairwise(styles))


def test_too_many_lines_are_refused():
    for num, most in ((1, 1), (8, 8)):
        check_legible(num, 'runs', most)
    for num in (0, 9):
        with pytest.raises(ValueError, match=f'{num} runs'):
            check_legible(num, 'runs')
