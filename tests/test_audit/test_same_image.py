# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import cv2
import numpy as np
import pytest

from mmfer.audit.duplicates import ALIKE, SAME
from mmfer.audit.same_image import _local_correlation, similarity
from mmfer.datasets import SynthFace

NUM = 8


@pytest.fixture(scope='module')
def faces():
    drawn = SynthFace('train', num_samples=NUM, image_size=112)
    return [cv2.cvtColor(drawn[i]['img'], cv2.COLOR_BGR2GRAY) for i in range(NUM)]


def thumbnail(image):
    return cv2.resize(image, (64, 64), interpolation=cv2.INTER_AREA)


def test_local_correlation_is_that_of_weighted_windows():
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(2, 64, 64)).astype(np.float32)
    second += first
    usable = np.ones((64, 64), np.float32)
    usable[:10] = 0
    found = np.zeros((64, 64))
    found[usable > 0] = _local_correlation(first * 7 + 3, second, usable)
    x, y = ((p - p[10:].mean()) / p[10:].std() for p in (first.astype(float), second.astype(float)))
    rows, columns = np.mgrid[:64, :64]
    for row, column in ((32, 32), (40, 25), (20, 40)):
        weight = np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / (2 * 4.0**2)) * usable
        weight /= weight.sum()
        mean_x, mean_y = (weight * x).sum(), (weight * y).sum()
        covariance = (weight * (x - mean_x) * (y - mean_y)).sum()
        variances = [(weight * (p - m) ** 2).sum() for p, m in ((x, mean_x), (y, mean_y))]
        expected = (covariance + 0.04) / np.sqrt((variances[0] + 0.04) * (variances[1] + 0.04))
        assert found[row, column] == pytest.approx(expected, abs=2e-3)


def test_an_image_is_similar_only_to_itself(faces):
    thumbnails = [thumbnail(face) for face in faces]
    for i, first in enumerate(thumbnails):
        for j, second in enumerate(thumbnails):
            value = similarity(first, second)
            assert value > 0.999 if i == j else value < ALIKE


def test_position_size_and_brightness_may_differ(faces):
    for face in faces:
        changed = (face[5:-2, 3:-6] * 0.8 + 12).astype(np.uint8)
        assert similarity(thumbnail(face), thumbnail(changed)) > SAME
        assert similarity(thumbnail(changed), thumbnail(face)) > SAME


def test_one_different_region_makes_it_another_image(faces):
    # Two portraits of one photo session: everything is equal except the mouth.
    for number, face in enumerate(faces):
        other = face.copy()
        other[70:95, 36:76] = faces[number - 1][70:95, 36:76]
        whole = np.corrcoef(face.ravel(), other.ravel())[0, 1]
        value = similarity(thumbnail(face), thumbnail(other))
        assert whole > 0.8 and value < SAME and value < whole


def test_black_and_white_drawings_can_be_compared():
    rng = np.random.default_rng(0)
    first, second = (
        cv2.resize(
            rng.integers(0, 2, (8, 8), np.uint8) * 255, (64, 64), interpolation=cv2.INTER_NEAREST
        )
        for _ in range(2)
    )
    assert similarity(first, first) > 0.999
    assert similarity(first, second) < ALIKE
