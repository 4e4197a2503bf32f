# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from mmfer.faces import Face, FaceChoice

IMAGE = (200, 100)


def face(x, y, width, height=None, score=0.9):
    box = np.array([x, y, x + width, y + (height or width)], np.float64)
    return Face(box, score, np.zeros((5, 2)))


LARGE, CENTRAL, CLEAR = face(0, 0, 60), face(80, 30, 40), face(140, 10, 50, score=0.95)
FACES = [LARGE, CENTRAL, CLEAR]


def test_only_face():
    choice = FaceChoice()([LARGE], IMAGE)
    assert choice.face is LARGE and choice.reason == 'only face' and choice.num_faces == 1


@pytest.mark.parametrize(
    'several, expected, reason',
    [
        ('largest', LARGE, 'largest of 3 faces'),
        ('central', CENTRAL, 'most central of 3 faces'),
        ('score', CLEAR, 'best score of 3 faces'),
        ('refuse', None, '3 faces'),
    ],
)
def test_several_faces(several, expected, reason):
    for faces in (FACES, FACES[::-1]):
        choice = FaceChoice(several=several)(faces, IMAGE)
        assert choice.face is expected
        assert choice.reason == reason and choice.num_faces == 3


def test_ties_are_broken_by_score_and_then_by_position():
    left, right, better = face(10, 0, 50), face(90, 0, 50), face(90, 40, 50, score=0.91)
    assert FaceChoice()([right, left], IMAGE).face is left
    assert FaceChoice()([left, right, better], IMAGE).face is better


def test_low_scores_are_ignored():
    faint = face(0, 0, 90, score=0.41)
    choice = FaceChoice()([faint], IMAGE)
    assert choice.face is None and choice.num_faces == 0
    assert choice.reason == 'best score 0.410 is below 0.6'
    assert FaceChoice()([faint, CENTRAL], IMAGE).face is CENTRAL
    assert FaceChoice(min_score=0.41)([faint], IMAGE).face is faint
    assert FaceChoice()([], IMAGE).reason == 'no face'


def test_tiny_faces_are_ignored():
    tiny, narrow = face(0, 0, 20), face(0, 0, 31, 80)
    choice = FaceChoice()([tiny, narrow], IMAGE)
    assert choice.face is None and choice.num_faces == 0
    assert choice.reason == 'largest face has 31.0 px, below 32'
    choice = FaceChoice(several='refuse')([tiny, CENTRAL], IMAGE)
    assert choice.face is CENTRAL and choice.reason == 'only face'
    assert FaceChoice(min_size=20)([tiny], IMAGE).face is tiny


def test_the_first_rule_that_leaves_nothing_gives_the_reason():
    faces = [face(0, 0, 90, score=0.3), face(0, 0, 10)]
    assert FaceChoice()(faces, IMAGE).reason == 'largest face has 10.0 px, below 32'


@pytest.mark.parametrize(
    'wrong',
    [
        dict(min_score=1.5),
        dict(min_score=float('nan')),
        dict(min_size=0),
        dict(several='first'),
    ],
)
def test_wrong_arguments(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        FaceChoice(**wrong)
