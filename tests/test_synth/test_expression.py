# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import re
from dataclasses import fields, replace

import numpy as np
import pytest
from plain_faces import CLASS, PLAIN

from mmfer.categories import ACTION_UNITS, EXPRESSIONS
from mmfer.synth import active_units, compose_face, sample_labels, valence_and_arousal
from mmfer.synth.expression import Actions


@pytest.fixture(scope='module')
def shares():
    """Return how often each unit is active, by name of the drawn expression."""
    active = np.zeros((len(EXPRESSIONS), len(ACTION_UNITS)))
    for index in range(700):
        labels = sample_labels(0, 'train', index, 200)
        _, face = compose_face(labels, 0, 'train', index)
        active[labels.expression] += active_units(face.left, face.right, ACTION_UNITS) == 1
    return {
        name: dict(zip(ACTION_UNITS, counts / 100, strict=True))
        for name, counts in zip(EXPRESSIONS, active, strict=True)
    }


@pytest.mark.parametrize(
    ('expression', 'active'),
    [
        ('Anger', ('AU4', 'AU7')),
        ('Disgust', ('AU10',)),
        ('Fear', ('AU1', 'AU25')),
        ('Sadness', ('AU1', 'AU15')),
        ('Happiness', ('AU6', 'AU12')),
        ('Surprise', ('AU1', 'AU2', 'AU26')),
    ],
)
def test_expressions_have_the_units_that_define_them(shares, expression, active):
    for unit in active:
        assert shares[expression][unit] > 0.75 and shares['Neutral'][unit] < 0.15


def test_labels_are_of_the_face_that_is_drawn():
    labels = sample_labels(0, 'train', 3, 20)
    for number in range(len(EXPRESSIONS)):
        _, face = compose_face(replace(labels, expression=number), 0, 'train', 3, PLAIN)
        assert face.left == face.right, 'without variation both sides are the prototype'
        smile = active_units(face.left, face.right, ('AU12',)).item()
        assert smile == (number == CLASS['Happiness'])


def test_one_side_is_enough():
    on, off = Actions(corner_pull=0.3), Actions(corner_pull=0.29)
    assert active_units(off, on, ('AU12', 'AU1')).tolist() == [1, 0]
    assert active_units(off, off, ('AU12', 'AU23')).tolist() == [0, -1]


@pytest.mark.parametrize(
    ('expression', 'place'),
    [
        ('Anger', (-0.5, 0.6)),
        ('Disgust', (-0.7, 0.2)),
        ('Fear', (-0.6, 0.8)),
        ('Sadness', (-0.8, -0.4)),
        ('Happiness', (0.8, 0.4)),
        ('Surprise', (0.1, 0.9)),
        ('Neutral', (0, 0)),
    ],
)
def test_expressions_lie_at_their_place_of_the_circumplex(expression, place):
    labels = replace(sample_labels(0, 'train', 3, 20), expression=CLASS[expression])
    for index in range(20):  # an expression has several faces
        _, face = compose_face(labels, 0, 'train', index, PLAIN)
        found = valence_and_arousal(face.left, face.right)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, place, atol=0.25)


def test_valence_and_arousal_grow_with_the_strength_of_both_sides():
    rest, weak, broad = (Actions(corner_pull=strength) for strength in (0, 0.5, 1))
    assert valence_and_arousal(rest, rest).tolist() == [0, 0]
    np.testing.assert_allclose(valence_and_arousal(weak, weak), (0.3, 0.1), rtol=1e-6)
    np.testing.assert_allclose(valence_and_arousal(rest, broad), (0.3, 0.1), rtol=1e-6)
    # Values are clipped to the scale.
    much = Actions(brow_lower=1.25, lip_stretch=1.25, nose_wrinkle=1.25, corner_depress=1.25)
    assert valence_and_arousal(much, much)[0] == -1


def test_the_docs_have_the_share_of_every_muscle(repo_root):
    rows = (repo_root / 'docs/datasets.md').read_text()
    names = {'lid_droop': 'lids droop', 'gaze_down': 'eyes cast down'}
    for action in fields(Actions):
        name = names.get(action.name) or f'{action.metadata["unit"]}, [^|]+'
        (found,) = re.findall(rf'\| {name} \| ([-.\d]+) \| ([-.\d]+) \|', rows)
        assert tuple(map(float, found)) == action.metadata['affect'], action.name
