# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import cv2
import numpy as np

from mmfer.faces import face_template


def test_published_points():
    """ArcFace's, in its 96x112 pixels."""
    narrow = face_template(112) - (8, 0)
    np.testing.assert_allclose(narrow[0], (30.2946, 51.6963))
    np.testing.assert_allclose(narrow[4], (62.7299, 92.2041))
    assert (narrow[:, 0] < 96).all()


def test_order_is_the_viewers():
    left_eye, right_eye, nose, left_mouth, right_mouth = face_template(224)
    assert left_eye[0] < nose[0] < right_eye[0] and left_mouth[0] < nose[0] < right_mouth[0]
    assert max(left_eye[1], right_eye[1]) < nose[1] < min(left_mouth[1], right_mouth[1])


def test_halving_an_aligned_image_keeps_positions():
    large = np.zeros((224, 224), np.float32)
    across, down = np.arange(224), np.arange(224)[:, None]
    x, y = face_template(224)[2]
    large[:] = np.exp(-((across - x) ** 2 + (down - y) ** 2) / 50)
    small = cv2.resize(large, (112, 112), interpolation=cv2.INTER_AREA)
    down, across = np.indices(small.shape)
    center = np.array([(small * across).sum(), (small * down).sum()]) / small.sum()
    np.testing.assert_allclose(center, face_template(112)[2], atol=0.01)


def test_returns_a_new_array():
    face_template(112)[:] = 0
    assert face_template(112).all()
