# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import math

import numpy as np
import pytest

from mmfer.faces import Face
from mmfer.faces.search_passes import (
    LARGEST,
    SMALL,
    WHOLE,
    merge_faces,
    plan_passes,
    plan_tiles,
    search_parts,
)


def face(x, y, side, score=0.9):
    return Face(np.array([x, y, x + side, y + side], float), score, np.zeros((5, 2)))


def test_passes():
    assert [(p.side, p.largest) for p in plan_passes(2560)] == [
        *((2560, LARGEST), (640, LARGEST), (240, math.inf))
    ]
    assert [p.side for p in plan_passes(640)] == [640, 240]
    assert [p.side for p in plan_passes(959)] == [959, 240]
    assert [p.side for p in plan_passes(359)] == [359]
    assert [p.side for p in plan_passes(1)] == [1]


@pytest.mark.parametrize('longer', range(20, 4000, 31))
def test_every_size_of_face_is_in_the_range_of_a_pass(longer):
    """From 10 pixels to the whole image; the last pass has no upper limit."""
    passes = plan_passes(longer)
    for size in np.linspace(10, longer, 50):
        seen = [size * p.side / longer for p in passes]
        assert any(10 <= s <= max(LARGEST, passes[-1].side) for s in seen)
    assert passes[-1].side < 360


@pytest.mark.parametrize('longer', [100, 224, 359, 360, 400, 640, 641, 959, 960, 2560])
def test_cost(longer):
    """All passes together have at most 1.6 times the pixels of the image."""
    seen = sum(p.side**2 for p in plan_passes(longer))
    assert seen <= 1.6 * longer**2


def test_a_face_that_several_passes_find_is_one():
    best, other = face(10, 10, 100, 0.95), face(14, 8, 110, 0.9)
    assert merge_faces([other, best]) == [best]


def test_a_part_of_a_face_is_dropped():
    whole, part = face(0, 0, 400, 0.9), face(220, 30, 100, 0.7)
    assert merge_faces([part, whole]) == [whole]


def test_neighbors_stay():
    left, right = face(0, 0, 100, 0.9), face(80, 20, 100, 0.8)
    small = face(330, 330, 100, 0.7)
    assert len(merge_faces([left, right, face(0, 0, 1, 0.6), small])) == 3
    assert merge_faces([]) == []


def test_a_part_is_dropped_even_with_a_slightly_better_score():
    whole, part = face(0, 0, 400, 0.99), face(220, 30, 100, 1.0)
    assert merge_faces([part, whole]) == [whole]
    assert merge_faces([part, whole._replace(score=0.9)]) == [part]


def test_a_box_around_two_faces_is_dropped():
    around, left, right = face(0, 0, 400, 0.99), face(20, 30, 100, 1.0), face(220, 30, 100, 1.0)
    assert merge_faces([around, left, right]) == [left, right]


@pytest.mark.parametrize('side', [1, 2560, 4000, 4096, 4097, 6000, 32766])
def test_every_small_face_is_inside_the_tile_that_keeps_it(side):
    tiles = plan_tiles(side)
    assert max(tile.stop - tile.start for tile in tiles) <= 2048 + 2 * SMALL
    for middle in np.linspace(-10, side + 10, 1000):
        owners = [tile for tile in tiles if tile.owns(middle)]
        assert 1 <= len(owners) <= 2
        for tile in owners:
            assert tile.start <= max(middle - SMALL / 2, 0)
            assert tile.stop >= min(middle + SMALL / 2, side)


class TestParts:
    def test_where_faces_are(self):
        """A bright spot is a face: 60 pixels in the tiles, 300 in the whole image."""
        image = np.zeros((3000, 4000, 3), np.uint8)
        spots = [(100, 100), (2000, 1490), (3990, 2990), (1990, 20)]
        for x, y in spots:
            image[y, x] = 255

        def search_tile(part):
            assert max(part.shape) < WHOLE
            return [face(x - 29.5, y - 29.5, 60) for y, x in np.argwhere(part[..., 0])]

        def search_whole(part):
            assert part.shape == (1920, 2560, 3)
            return [face(999.5, 999.5, 300)]

        found = search_parts(image, search_whole, search_tile)
        assert sorted(f.size for f in found) == [60, 60, 60, 60, pytest.approx(300 / 0.64)]
        middles = {tuple((f.box[:2] + f.box[2:] - 1) / 2) for f in found if f.size == 60}
        assert middles == set(spots)

    def test_large_faces_of_tiles_are_ignored(self):
        image = np.zeros((100, 4000, 3), np.uint8)
        assert search_parts(image, lambda i: [], lambda i: [face(50, 0, SMALL + 1)]) == []

    def test_images_that_are_not_large_have_no_tiles(self):
        image = np.zeros((10, WHOLE, 3), np.uint8)
        (found,) = search_parts(image, lambda i: [face(1, 2, 300), face(2, 2, 299, 0.8)], None)
        assert found.box[0] == 1
