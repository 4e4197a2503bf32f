# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""The least squares map, compared with singular value decomposition and linear equations."""

import numpy as np
import pytest

from mmfer.datasets.transforms.face_geometry import chain, move_points, rotation_map
from mmfer.faces import face_template, similarity_map


def umeyama(source, target):
    """Umeyama (1991), equations 40 to 43, as printed."""
    source_mean, target_mean = source.mean(axis=0), target.mean(axis=0)
    covariance = (target - target_mean).T @ (source - source_mean) / len(source)
    u, d, vt = np.linalg.svd(covariance)
    sign = np.array([1.0, np.sign(np.linalg.det(u) * np.linalg.det(vt))])
    rotation = u @ np.diag(sign) @ vt
    zoom = (d * sign).sum() / (source - source_mean).var(axis=0).sum()
    return np.column_stack([zoom * rotation, target_mean - zoom * rotation @ source_mean])


def linear_equations(source, target):
    """x' = a x - b y + c and y' = b x + a y + d for each point, four unknowns."""
    rows, values = [], []
    for (x, y), (u, v) in zip(source, target, strict=True):
        rows += [(x, -y, 1, 0), (y, x, 0, 1)]
        values += [u, v]
    a, b, c, d = np.linalg.lstsq(np.array(rows), np.array(values), rcond=None)[0]
    return np.array([(a, -b, c), (b, a, d)])


def squared_error(matrix, source, target):
    return ((move_points(source, matrix) - target) ** 2).sum()


@pytest.mark.parametrize('count', [2, 3, 5, 98])
@pytest.mark.parametrize('formula', [umeyama, linear_equations])
def test_is_the_least_squares_map(formula, count):
    for _ in range(20):
        source = np.random.uniform(-50, 400, (count, 2))
        turned = move_points(source, rotation_map(np.random.uniform(-180, 180), 30, 500))
        target = 0.3 * turned + np.random.normal(0, 4, (count, 2)) + (7, -90)
        ours = similarity_map(source, target)
        np.testing.assert_allclose(ours, formula(source, target), rtol=1e-9, atol=1e-9)


def test_no_map_nearby_is_better():
    source = np.random.uniform(0, 200, (5, 2))
    target = face_template(112)
    best = similarity_map(source, target)
    for _ in range(200):
        zoom, angle = np.exp(np.random.normal(0, 0.05)), np.random.normal(0, 5)
        nearby = chain(best, zoom * rotation_map(angle, 112, 112))
        nearby[:, 2] += np.random.normal(0, 1, 2)
        assert squared_error(best, source, target) <= squared_error(nearby, source, target)


def test_finds_the_map_that_was_applied():
    matrix = np.array([(0.4, -0.3, 17), (0.3, 0.4, -5)])
    source = np.random.uniform(0, 200, (5, 2))
    np.testing.assert_allclose(similarity_map(source, move_points(source, matrix)), matrix)
    assert similarity_map(source.astype(np.float32), source).dtype == np.float64


def test_never_mirrors():
    """Left and right points swapped by a detector, with some noise."""
    source = face_template(112) + np.random.normal(0, 1, (5, 2))
    mirrored = source * (-1, 1)
    matrix = similarity_map(mirrored, face_template(112))
    assert np.linalg.det(matrix[:, :2]) > 0
    np.testing.assert_allclose(matrix, linear_equations(mirrored, face_template(112)), atol=1e-9)


@pytest.mark.parametrize(
    'source, target, message',
    [
        (np.ones((5, 2)), face_template(112), 'coincide'),
        (face_template(112), np.zeros((5, 2)), 'coincide'),
        (np.array([(0, 0), (1, 0), (0, 1.0)]), np.eye(2), r'\(3, 2\), \(2, 2\)'),
        (np.ones((1, 2)), np.ones((1, 2)), 'N >= 2'),
        (np.full((5, 2), np.nan), face_template(112), 'finite'),
        (
            np.array([(-1, 0), (1, 0), (0, 1), (0, -1.0)]),
            np.array([(1, 0), (-1, 0), (0, 1), (0, -1.0)]),
            'mirror',
        ),
    ],
)
def test_points_without_a_best_map(source, target, message):
    with pytest.raises(ValueError, match=message):
        similarity_map(source, target)
