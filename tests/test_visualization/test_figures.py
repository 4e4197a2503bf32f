# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import colorsys
import itertools

import cv2
import numpy as np
import pytest
from matplotlib.colors import to_rgb

from mmfer.visualization.figures import (
    INK,
    PALETTE,
    luminance,
    new_figure,
    save_figure,
    text_colour,
)

# How people without red, green or blue cones see linear RGB (Viénot, Brettel and Mollon, 1999, for
# the first two).
_DEUTERANOPIA = np.array([[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1]])
_PROTANOPIA = np.array([[0.11238, 0.88762, 0], [0.11238, 0.88762, 0], [0.00401, -0.00401, 1]])


@pytest.mark.parametrize('seen_as', [np.eye(3), _DEUTERANOPIA, _PROTANOPIA])
def test_colours_are_told_apart_by_everybody(seen_as):
    linear = np.array([to_rgb(colour) for colour in PALETTE]) ** 2.2
    seen = np.clip(linear @ seen_as.T, 0, 1).astype(np.float32) ** (1 / 2.2)
    lab = cv2.cvtColor(seen[None].astype(np.float32), cv2.COLOR_RGB2Lab)[0]
    for a, b in itertools.combinations(lab, 2):
        assert np.linalg.norm(a - b) > 10


def test_first_colours_are_saturated():
    assert all(colorsys.rgb_to_hsv(*to_rgb(colour))[1] > 0.3 for colour in PALETTE[:6])


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
    with pytest.raises(ValueError, match=f'{name}: the name must end in one of .*png'):
        save_figure(new_figure(1, 1), tmp_path / name)


def test_luminance_of_the_corners_of_the_cube():
    assert luminance('white') == pytest.approx(1) and luminance('black') == 0
    assert luminance('#00ff00') > luminance('#ff0000') > luminance('#0000ff')
    assert luminance((0.5, 0.5, 0.5)) == pytest.approx(0.2140, abs=1e-4)


@pytest.mark.parametrize(
    ('background', 'ink'), [('white', INK), ('black', 'white'), ('#0072b2', 'white'), ('#999', INK)]
)
def test_text_has_the_larger_contrast(background, ink):
    assert text_colour(background) == ink
