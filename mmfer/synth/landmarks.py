# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""A face in one image, and its 98 points in WFLW's order (``wflw_points``), in face units.

Face units: the origin is midway between the eyes, x points to the viewer's right, y down, and the
outer eye corners of an average adult are 1 apart. "Left" is the viewer's left.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mmfer import wflw_points as wflw

from .camera import Camera
from .drawing import brighter, columns, mix
from .expression import Actions
from .identity import Ageing, Identity

#: Height of the points above the smooth surface of the face, (98,).
RELIEF = np.zeros(wflw.NUM_LANDMARKS)
RELIEF[wflw.JAW] = 0.04
RELIEF[wflw.BRIDGE] = (0.02, 0.06, 0.11, 0.16)
RELIEF[wflw.NOSTRILS] = (0.02, 0.06, 0.09, 0.06, 0.02)
RELIEF[wflw.OUTER_LIPS] = RELIEF[wflw.INNER_LIPS] = 0.02

_JAW_COS, _JAW_SIN = (function(np.linspace(0, np.pi, 33)) for function in (np.cos, np.sin))

# From the inner end (0) to the outer tip (1) of a brow: upper edge, tip, lower edge.
_BROW_T = np.array([0, 0.27, 0.54, 0.8, 1.0, 0.8, 0.54, 0.27, 0])
_BROW_EDGE = np.array([-1.0, -1, -1, -1, 0, 1, 1, 1, 1])
_BROW_THICKNESS = 0.55 + 0.45 * np.sin(np.pi * (0.2 + 0.8 * _BROW_T))
_BROW_ARCH = np.sin(np.pi * _BROW_T**1.15) - 0.35 * _BROW_T**2
_BROW_INNER = (1 - _BROW_T) ** 1.4
_BROW_OUTER = np.sin(np.pi * np.clip(_BROW_T * 0.62 + 0.06, 0, 1))

# From the inner to the outer corner of an eye.
_EYE_T = np.array([0, 0.25, 0.5, 0.75, 1, 0.75, 0.5, 0.25])
_EYE_UPPER = np.array([0, 0.74, 1, 0.78, 0, 0, 0, 0])
_EYE_LOWER = np.array([0, 0, 0, 0, 0, 0.82, 1, 0.72])

# From the left (-1) to the right (1) corner of the mouth.
_LIPS_X = np.array([-1, -0.64, -0.27, 0, 0.27, 0.64, 1, 0.68, 0.36, 0, -0.36, -0.68])
_LIPS_UPPER = np.array([0, 0.62, 1, 0.86, 1, 0.62, 0, 0, 0, 0, 0, 0])
_LIPS_LOWER = np.array([0, 0, 0, 0, 0, 0, 0, 0.66, 0.95, 1, 0.95, 0.66])
_MOUTH_CORNER = 0.8  # where the inner edges of the lips meet
_MOUTH_X = _MOUTH_CORNER * np.array([-1, -0.52, 0, 0.52, 1, 0.52, 0, -0.52])
_MOUTH_UPPER = np.array([0, 0.85, 1, 0.85, 0, 0, 0, 0])
_MOUTH_LOWER = np.array([0, 0, 0, 0, 0, 0.85, 1, 0.85])

_PALE = np.array((190.0, 196.0, 214.0))
_SILVER = np.array((205.0, 208.0, 210.0))


@dataclass(frozen=True)
class Subject:
    """One person with age, expression, gaze and light."""

    person: Identity  #: The person.
    years: Ageing  #: Marks of age.
    left: Actions  #: Muscle actions of the viewer's left side.
    right: Actions  #: Muscle actions of the viewer's right side.
    gaze: float  #: Shift of both pupils to the viewer's right, face units.
    light_side: int  #: -1 or 1, side of the light source.
    light: float  #: 0 (even) to 1 (hard).

    def both(self, action: str) -> float:
        """Return the mean strength of a muscle action over both sides."""
        return 0.5 * (getattr(self.left, action) + getattr(self.right, action))

    def actions(self, side: int) -> Actions:
        """Return the muscle actions of the viewer's left (-1) or right (1) side."""
        return self.left if side < 0 else self.right

    @cached_property
    def skin(self) -> np.ndarray:
        """Color of the skin: bright in children, pale in old age."""
        pale = mix(self.person.skin, _PALE, 0.18 * self.years.sagging)
        return mix(pale, brighter(pale, 1.05), self.years.child)

    @cached_property
    def hair(self) -> np.ndarray:
        """Color of the hair: gray in old age, fairer in small children."""
        color = mix(self.person.hair, self.person.hair * 1.25 + 8, self.years.child)
        return np.minimum(mix(color, _SILVER, 0.9 * self.years.gray), 255)

    @cached_property
    def half_width(self) -> float:
        """Half the width of the face at the ears."""
        return 0.80 * self.person.face_width * (1 + 0.01 * self.years.child)

    @cached_property
    def crown(self) -> float:
        """Height of the top of the skull; children have a tall skull relative to the face."""
        return -0.93 * (0.6 + 0.4 * self.person.forehead) * (1 + 0.04 * self.years.child)

    @cached_property
    def points(self) -> np.ndarray:
        """The 98 points in face units, frontal, shape (98, 2)."""
        points = np.empty((wflw.NUM_LANDMARKS, 2))
        points[wflw.JAW] = _jaw(self)
        points[51:60] = _nose(self)
        points[76:96] = _mouth(self)
        # Compute a left brow or eye in the order of a right one, then reorder it.
        points[wflw.RIGHT_BROW], points[wflw.RIGHT_EYE] = _brow(self, -1), _eye(self, -1)
        for left in (wflw.LEFT_BROW, wflw.LEFT_EYE):
            points[left] = points[wflw.FLIP_INDICES[left]]
        points[wflw.RIGHT_BROW], points[wflw.RIGHT_EYE] = _brow(self, 1), _eye(self, 1)
        points[96] = _pupil(self, points[wflw.LEFT_EYE], -1)
        points[97] = _pupil(self, points[wflw.RIGHT_EYE], 1)
        return points

    def landmarks(self, camera: Camera, size: int) -> np.ndarray:
        """Return the 98 points in pixels of an image of ``size``, shape (98, 2), float32."""
        return camera.project(self.points, size, RELIEF).astype(np.float32)


def _jaw(face: Subject) -> np.ndarray:
    """Return a superellipse from ear to ear, narrower at the chin, with jowls; (33, 2)."""
    person, years, jaw_drop = face.person, face.years, face.both('jaw_drop')
    top, chin = 0.02, 1.27 * person.chin * (1 - 0.2 * years.child) + 0.17 * jaw_drop
    power = 2 / (person.jaw_square - 0.12 * years.child)
    y = _JAW_SIN**power
    # The sine of pi is not exactly 0: keep both ends of the jaw at the same height.
    y[[0, -1]] = 0
    x = -np.sign(_JAW_COS) * np.abs(_JAW_COS) ** power
    x[16] = 0
    jowls = 0.09 * years.sagging + 0.07 * years.child
    x *= 1 - (person.jaw_taper + 0.03 * jaw_drop) * y**1.5 + jowls * np.sin(np.pi * y**2)
    return columns(face.half_width * x, top + (chin - top) * y)


def _brow(face: Subject, side: int) -> np.ndarray:
    """Return a brow: upper edge outwards, tip, lower edge inwards; (9, 2)."""
    person, years, act = face.person, face.years, face.actions(side)
    inner = 0.165 - 0.045 * act.brow_lower - 0.02 * act.nose_wrinkle
    outer = 0.615 + 0.01 * person.masculine
    t = _BROW_T
    y = (
        -0.235 * person.brow_height
        - 0.055 * person.brow_arch * _BROW_ARCH
        + 0.03 * years.sagging * t
        - 0.125 * act.inner_brow_raise * _BROW_INNER
        - 0.115 * act.outer_brow_raise * _BROW_OUTER
        + act.brow_lower * (0.10 * _BROW_INNER + 0.035)
        + act.nose_wrinkle * (0.055 * _BROW_INNER + 0.025)
    )
    thickness = 0.036 * (1 + (person.brow_thickness - 1) * (0.4 + 0.6 * years.grown))
    thickness *= 1 - 0.35 * years.child
    y = y + _BROW_EDGE * thickness * _BROW_THICKNESS
    return columns(side * (inner + (outer - inner) * t), y)


def _eye(face: Subject, side: int) -> np.ndarray:
    """Return an eye: inner corner, upper lid, outer corner, lower lid; (8, 2)."""
    person, years, act = face.person, face.years, face.actions(side)
    width = 0.158 * person.eye_size * (1 + 0.1 * years.child)
    center = 0.345 * person.eye_spacing
    tall = person.eye_open * (1 + 0.3 * years.child)
    squeeze = 0.4 * act.cheek_raise + 0.42 * act.lid_tighten + 0.3 * act.nose_wrinkle
    upper = 0.082 * tall * (
        1 + 0.6 * act.upper_lid_raise - 0.72 * act.lid_droop - 0.2 * years.sagging
        - 0.45 * squeeze
    )  # fmt: skip
    lower = 0.052 * tall * (1 + 0.25 * act.upper_lid_raise - 0.85 * squeeze)
    upper, lower = max(upper, 0.012), max(lower, -0.3 * upper)
    x = center + width * (2 * _EYE_T - 1)
    tilt = person.eye_tilt - 0.015 * years.sagging
    y = 0.012 - 2 * tilt * _EYE_T - upper * _EYE_UPPER + lower * _EYE_LOWER
    return columns(side * x, y)


def _nose(face: Subject) -> np.ndarray:
    """Return the nose: bridge downwards, then the bottom from left to right; (9, 2)."""
    person, years = face.person, face.years
    length = 0.47 * person.nose_length * (1 - 0.25 * years.child + 0.05 * years.sagging)
    width = 0.145 * person.nose_width * (1 - 0.14 * years.child + 0.06 * years.sagging)
    points = np.empty((9, 2))
    points[:4, 0] = 0
    points[:4, 1] = np.linspace(-0.07, 0.77 * length, 4)
    points[4:, 0] = width * np.array([-1, -0.55, 0, 0.55, 1])
    points[4:, 1] = length * np.array([0.97, 1.02, 1.07, 1.02, 0.97])
    for act, wing, nostril in ((face.left, 4, 5), (face.right, 8, 7)):
        lift = 0.05 * act.nose_wrinkle + 0.03 * act.upper_lip_raise + 0.01 * act.corner_pull
        points[wing, 1] -= lift
        points[nostril, 1] -= 0.5 * lift
        points[wing, 0] *= 1 + 0.14 * act.nose_wrinkle + 0.12 * act.corner_pull
    return points


def _mouth(face: Subject) -> np.ndarray:
    """Return the outer edge of the lips, then the inner one; (20, 2)."""
    person, years = face.person, face.years
    press, part, drop = map(face.both, ('lip_press', 'lips_part', 'jaw_drop'))
    stretch, chin_raise = map(face.both, ('lip_stretch', 'chin_raise'))
    lip_raise, pull = map(face.both, ('upper_lip_raise', 'corner_pull'))
    middle = 0.755 * (0.5 + 0.5 * person.chin) * (1 - 0.19 * years.child) + 0.015 * pull
    middle += 0.03 * drop - 0.035 * chin_raise - 0.02 * lip_raise
    corners = np.empty((2, 2))
    for row, (act, side) in enumerate(((face.left, -1), (face.right, 1))):
        reach = (
            0.30 * act.corner_pull + 0.26 * act.lip_stretch - 0.08 * act.corner_depress
            - 0.10 * act.lip_press - 0.24 * act.jaw_drop * (1 - 0.7 * min(act.corner_pull, 1))
        )  # fmt: skip
        y = (
            middle - 0.115 * act.corner_pull + 0.115 * act.corner_depress + 0.03 * act.lip_stretch
            + 0.05 * act.chin_raise + 0.065 * act.jaw_drop + 0.012 * years.sagging
        )  # fmt: skip
        width = 0.262 * person.mouth_width * (1 - 0.14 * years.child)
        corners[row] = side * width * (1 + reach), y
    # Distance of the inner edges from the line between the lips, up and down.
    teeth = part * (0.4 + 0.6 * max(pull, stretch, lip_raise))
    up = 0.012 * part + 0.028 * teeth + 0.055 * lip_raise * min(1, part + 0.25) + 0.02 * drop
    down = 0.03 * part + 0.035 * teeth + 0.235 * drop
    thin = (1 - 0.62 * min(press, 1)) * (1 - 0.35 * years.sagging) * (1 - 0.12 * stretch)
    upper = 0.066 * person.upper_lip * thin * (1 - 0.25 * pull) + 0.022 * lip_raise
    lower = 0.088 * person.lower_lip * thin * (1 - 0.18 * pull) + 0.012 * chin_raise

    def line(x):
        """Return y of the line between closed lips: corner to corner, through the middle."""
        bend = np.abs(x) ** 1.8
        # Only the middle of the upper lip is raised, not the corners.
        center = middle - 0.045 * lip_raise
        corner = np.where(x < 0, corners[0, 1], corners[1, 1])
        return center + (corner - center) * bend

    def place(x):
        return np.where(x < 0, -x * corners[0, 0], x * corners[1, 0])

    gap = np.clip(1 - (_LIPS_X / _MOUTH_CORNER) ** 2, 0, 1)
    outer = line(_LIPS_X) - _LIPS_UPPER * upper + _LIPS_LOWER * lower
    outer += np.where(_LIPS_LOWER > 0, down, np.where(_LIPS_UPPER > 0, -up, 0)) * gap
    inner = line(_MOUTH_X) - _MOUTH_UPPER * up + _MOUTH_LOWER * down
    x, y = np.concatenate([_LIPS_X, _MOUTH_X]), np.concatenate([outer, inner])
    return columns(place(x), y)


def _pupil(face: Subject, eye: np.ndarray, side: int) -> np.ndarray:
    """Return a pupil: the center of the eye, shifted by gaze; (2,)."""
    corners = 0.5 * (eye[0] + eye[4])
    top, bottom = eye[2, 1], eye[6, 1]
    y = corners[1] - 0.016 + 0.03 * face.actions(side).gaze_down
    # A pupil stays in the open part of its eye.
    margin = 0.25 * (bottom - top)
    return np.array([corners[0] + face.gaze, min(max(y, top + margin), bottom - margin)])
