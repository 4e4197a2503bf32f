# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""How far an alignment is from the one that labeled points would give.

Landmarks are WFLW's 98, see :mod:`mmfer.wflw_points`; all points are in pixels of the
image that was aligned.
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
    """The five points of a face out of its landmarks (98, 2): float64 (5, 2).

    The center of an eye is the mean of the eight points of its outline, which unlike the pupil
    stays where it is when the person looks aside. The tip of the nose is the end of its bridge.
    """
    landmarks = np.asarray(landmarks, np.float64)
    eyes = [landmarks[eye].mean(axis=0) for eye in (LEFT_EYE, RIGHT_EYE)]
    return np.stack([*eyes, landmarks[_NOSE_TIP], *landmarks[list(_MOUTH_CORNERS)]])


def eye_error(points: np.ndarray, landmarks: np.ndarray) -> float:
    """Mean distance of the two eyes found from the labeled ones, in percent of the labeled
    distance of the eyes.

    Args:
        points (np.ndarray): The five points found, (5, 2).
        landmarks (np.ndarray): Of the same face, (98, 2).
    """
    eyes = labeled_points(landmarks)[:2]
    beside = np.linalg.norm(points[:2] - eyes, axis=1).mean()
    return float(100 * beside / np.linalg.norm(eyes[1] - eyes[0]))


def corner_error(points: np.ndarray, landmarks: np.ndarray) -> float:
    """Mean distance of the four labeled eye corners in the aligned image from where they would
    be, had the labeled five points been aligned; in pixels of 112x112.

    Arguments as for :func:`eye_error`.
    """
    corners = np.asarray(landmarks, np.float64)[list(EYE_CORNERS)]
    template = face_template(TEMPLATE_SIZE)
    found, ideal = (
        move_points(corners, similarity_map(five, template))
        for five in (points, labeled_points(landmarks))
    )
    return float(np.linalg.norm(found - ideal, axis=1).mean())


def eye_slope(points: np.ndarray, landmarks: np.ndarray) -> float:
    """Angle by which the line through the labeled eyes is off the horizontal in the aligned
    image, degrees, positive clockwise.

    Arguments as for :func:`eye_error`.
    """
    matrix = similarity_map(points, face_template(TEMPLATE_SIZE))
    left, right = move_points(labeled_points(landmarks)[:2], matrix)
    return float(np.degrees(np.arctan2(right[1] - left[1], right[0] - left[0])))
