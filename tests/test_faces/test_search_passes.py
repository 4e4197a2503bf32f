# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import math

import numpy as np
import pytest

from mmfer.faces import Face
from mmfer.faces.search_passes import LARGEST, merge_faces, plan_passes


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
    """From 10 pixels to the whole image; the last pass has no upper end, but its faces fit in."""
    passes = plan_passes(longer)
    for size in np.linspace(10, longer, 50):
        seen = [size * p.side / longer for p in passes]
        assert any(10 <= s <= max(LARGEST, passes[-1].side) for s in seen)
    assert passes[-1].side < 360


@pytest.mark.parametrize('longer', [100, 224, 359, 360, 400, 640, 641, 959, 960, 2560])
def test_cost(longer):
    """Pixels that the network sees: the image's, once and a bit."""
    seen = sum(p.side**2 for p in plan_passes(longer))
    assert seen <= 1.6 * longer**2


def test_a_face_that_several_passes_find_is_one():
    best, other = face(10, 10, 100, 0.95), face(14, 8, 110, 0.9)
    assert merge_faces([other, best]) == [best]


def test_a_part_of_a_face_is_none():
    whole, part = face(0, 0, 400, 0.9), face(220, 30, 100, 0.7)
    assert merge_faces([part, whole]) == [whole]


def test_neighbours_stay():
    left, right = face(0, 0, 100, 0.9), face(80, 20, 100, 0.8)
    small = face(330, 330, 100, 0.7)
    assert len(merge_faces([left, right, face(0, 0, 1, 0.6), small])) == 3
    assert merge_faces([]) == []
