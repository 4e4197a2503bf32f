# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""The drawn faces are pure functions, and show their labels."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest
from plain_faces import CLASS, PLAIN, plain_face

from mmfer.synth import SPLITS, Difficulty, Labels, draw_face, sample_labels
from mmfer.synth.identity import make_identity


def digest(index, split='train', seed=0):
    drawn = draw_face(sample_labels(seed, split, index, 20), seed, split, index)
    return hashlib.sha256(drawn.image.tobytes() + drawn.landmarks.tobytes()).hexdigest()


class TestPurity:
    def test_same_bytes_in_another_order(self):
        first = [digest(index) for index in (3, 0, 11)]
        make_identity.cache_clear()
        eleven, zero, _, three = (digest(index) for index in (11, 0, 5, 3))
        assert [three, zero, eleven] == first

    def test_every_name_is_another_image(self):
        names = [(i, split, seed) for i in range(6) for split in SPLITS for seed in (0, 1)]
        assert len({digest(*name) for name in names}) == len(names)

    def test_global_random_state_is_neither_used_nor_changed(self):
        state = np.random.get_state()[1].copy()
        first = digest(4)
        np.testing.assert_array_equal(np.random.get_state()[1], state)
        np.random.seed(123)
        assert digest(4) == first

    def test_another_expression_leaves_pose_and_background(self):
        labels = sample_labels(0, 'train', 0, 20)
        free = Difficulty(occlusion=0, loss=0)
        one, two = (
            draw_face(replace(labels, expression=number), 0, 'train', 0, difficulty=free)
            for number in (CLASS['Neutral'], CLASS['Surprise'])
        )
        np.testing.assert_array_equal(one.image[:4, :4], two.image[:4, :4])
        # The bridge of the nose does not depend on the expression, so it shows the pose.
        np.testing.assert_array_equal(one.landmarks[51:55], two.landmarks[51:55])
        assert (one.image != two.image).any()


def test_age_and_identity_show():
    face = plain_face('Neutral').image.astype(float)
    older = plain_face('Neutral', age=85).image.astype(float)
    other = plain_face('Neutral', identity=1).image.astype(float)
    same = plain_face('Neutral', index=9).image.astype(float)

    def difference(a, b):
        return np.abs(a - b).mean()

    # Without difficulty, chance changes only the side of the light in images of one person.
    assert difference(face, older) > 3 and difference(face, other) > 3
    assert difference(face, same) < 0.5 * min(difference(face, older), difference(face, other))


def test_tight_crop_shows_the_same_face_larger():
    labels = Labels(CLASS['Neutral'], 30, 0)
    loose, tight = (
        draw_face(labels, 0, 'train', 0, difficulty=PLAIN, crop=crop).landmarks
        for crop in ('loose', 'tight')
    )
    middle = (112 - 1) / 2
    np.testing.assert_allclose(tight - middle, (loose - middle) * 2.5 / 1.9, atol=0.02)


@pytest.mark.parametrize('part', ['pose', 'light', 'clutter', 'loss', 'occlusion', 'variation'])
def test_every_part_of_the_difficulty_changes_the_image(part):
    labels = Labels(CLASS['Happiness'], 30, 0)
    changed = 0
    for index in range(8):
        plain, hard = (
            draw_face(labels, 0, 'train', index, difficulty=difficulty).image
            for difficulty in (PLAIN, replace(PLAIN, **{part: 1}))
        )
        changed += (plain != hard).any()
    # Loss does not change some images.
    assert changed >= 4
