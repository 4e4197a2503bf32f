# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from mmfer.datasets.transforms.face_geometry import invert, move_points, rotation_map
from mmfer.faces import face_template
from mmfer.faces.point_errors import corner_error, eye_error, eye_slope, labeled_points


@pytest.fixture
def landmarks():
    """Landmarks whose five points are those of the template, moved in the image."""
    points = np.random.uniform(0, 112, (98, 2))
    template = face_template(112)
    around = 8 * np.array([(np.cos(a), np.sin(a)) for a in np.arange(8) * np.pi / 4])
    points[60:68], points[68:76] = template[0] - around, template[1] - around
    points[54], points[76], points[82] = template[2:]
    return move_points(points, rotation_map(15, 300, 300))


def test_labeled_points(landmarks):
    expected = move_points(face_template(112), rotation_map(15, 300, 300))
    np.testing.assert_allclose(labeled_points(landmarks), expected)


def test_labeled_points_have_no_error(landmarks):
    points = labeled_points(landmarks)
    assert eye_error(points, landmarks) == corner_error(points, landmarks) == 0
    # The eyes of the template are not exactly horizontal.
    slope = np.degrees(np.arctan2(51.5014 - 51.6963, 73.5318 - 38.2946))
    assert eye_slope(points, landmarks) == pytest.approx(slope)


def test_shift(landmarks):
    """All points are 3 px too far right in the aligned image, so the face is too far left."""
    matrix = rotation_map(15, 300, 300)
    shifted = move_points(face_template(112) + (3, 0), matrix)
    distance = np.linalg.norm(face_template(112)[1] - face_template(112)[0])
    assert eye_error(shifted, landmarks) == pytest.approx(100 * 3 / distance)
    assert corner_error(shifted, landmarks) == pytest.approx(3)


def test_turn(landmarks):
    center = face_template(112).mean(axis=0)
    turn = rotation_map(-10, 2 * center[0] + 1, 2 * center[1] + 1)
    turned = move_points(move_points(face_template(112), turn), rotation_map(15, 300, 300))
    straight = eye_slope(labeled_points(landmarks), landmarks)
    # Detected points are rotated left by 10 degrees, so the image is rotated too far right.
    assert eye_slope(turned, landmarks) - straight == pytest.approx(10)
    corners = move_points(landmarks[[60, 64, 68, 72]], invert(rotation_map(15, 300, 300)))
    arcs = 2 * np.sin(np.radians(5)) * np.linalg.norm(corners - center, axis=1)
    assert corner_error(turned, landmarks) == pytest.approx(arcs.mean())
