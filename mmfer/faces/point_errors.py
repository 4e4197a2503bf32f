# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Errors of an alignment, compared with the alignment by labeled points.

Landmarks are the 98 of WFLW, see :mod:`mmfer.wflw_points`. All points are in pixels of the original
image.
"""

import numpy as np

from mmfer.datasets.transforms.face_geometry import move_points
from mmfer.wflw_points import LEFT_EYE, RIGHT_EYE

from .similarity import similarity_map
from .template import TEMPLATE_SIZE, face_template

_NOSE_TIP, _MOUTH_CORNERS = 54, (76, 82)

#: Outer and inner corner of the left eye, inner and outer one of the right eye.
EYE_CORNERS = (60, 64, 68, 72)


def labeled_points(landmarks: np.ndarray) -> np.ndarray:
    """Return the five points, float64 (5, 2), of a face from its landmarks (98, 2).

    The center of an eye is the mean of the eight points of its outline, which, unlike the pupil,
    does not move when the person looks to the side. The tip of the nose is the end of its bridge.
    """
    landmarks = np.asarray(landmarks, np.float64)
    eyes = [landmarks[eye].mean(axis=0) for eye in (LEFT_EYE, RIGHT_EYE)]
    return np.stack([*eyes, landmarks[_NOSE_TIP], *landmarks[list(_MOUTH_CORNERS)]])


def eye_error(points: np.ndarray, landmarks: np.ndarray) -> float:
    """Return the mean distance of the detected eyes from the labeled eyes, in percent of the
    distance between the labeled eyes.

    Args:
        points (np.ndarray): The five detected points, (5, 2).
        landmarks (np.ndarray): Landmarks of the same face, (98, 2).
    """
    eyes = labeled_points(landmarks)[:2]
    distance = np.linalg.norm(points[:2] - eyes, axis=1).mean()
    return float(100 * distance / np.linalg.norm(eyes[1] - eyes[0]))


def corner_error(points: np.ndarray, landmarks: np.ndarray) -> float:
    """Return the mean distance of the four labeled eye corners between two alignments, by the
    detected and by the labeled five points, in pixels of 112x112.

    For the arguments see :func:`eye_error`.
    """
    corners = np.asarray(landmarks, np.float64)[list(EYE_CORNERS)]
    template = face_template(TEMPLATE_SIZE)
    found, ideal = (
        move_points(corners, similarity_map(five, template))
        for five in (points, labeled_points(landmarks))
    )
    return float(np.linalg.norm(found - ideal, axis=1).mean())


def eye_slope(points: np.ndarray, landmarks: np.ndarray) -> float:
    """Return the angle between the line through the labeled eyes and the horizontal in the aligned
    image, in degrees, positive clockwise.

    For the arguments see :func:`eye_error`.
    """
    matrix = similarity_map(points, face_template(TEMPLATE_SIZE))
    left, right = move_points(labeled_points(landmarks)[:2], matrix)
    return float(np.degrees(np.arctan2(right[1] - left[1], right[0] - left[0])))
