# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Nose, mouth, eyes and brows, drawn through their landmarks."""

import numpy as np

from . import hair
from .colours import BLACK, WHITE, darker, mix
from .drawing import Drawing, columns, ellipse, spline
from .landmarks import INNER_LIPS, OUTER_LIPS
from .subject import Subject

_LIPS = np.array((96.0, 98.0, 186.0))
_MOUTH = np.array((46.5, 36.0, 72.0))
_TONGUE = np.array((104.0, 96.0, 184.0))
_TEETH = np.array((228.0, 238.0, 242.0))
_OLD_TEETH = np.array((150.0, 200.0, 222.0))


def draw_nose(drawing: Drawing, face: Subject) -> None:
    """Wings, nostrils and tip; the bridge is a matter of shading."""
    skin, points = face.skin, face.points
    wings = points[55:60]
    line = darker(skin, 0.42)
    for side, wing, nostril in ((-1, 0, 1), (1, 4, 3)):
        x, y = wings[wing]
        around = np.array(
            [(x + side * 0.005, y - 0.1), (x + side * 0.032, y - 0.045), (x, y),
             wings[nostril] + (0, 0.004)]
        )  # fmt: skip
        drawing.line(spline(around, 4), line, 0.018, z=0.04)
        hole = 0.034 + 0.008 * (face.left.nose_wrinkle + face.right.nose_wrinkle)
        x, y = wings[nostril]
        drawing.fill(ellipse(x, y - 0.008, hole, 0.016, 10), darker(skin, 0.66), z=0.06)
    drawing.line(spline(wings[1:4], 4), line, 0.014, z=0.07)


def draw_mouth(drawing: Drawing, face: Subject) -> None:
    """The opening and what is in it, then the lips around it."""
    person, years, points = face.person, face.years, face.points
    skin = face.skin
    outer, inner = points[OUTER_LIPS], points[INNER_LIPS]
    lips = mix(darker(skin, 0.12), _LIPS, 0.62 - 0.24 * person.masculine - 0.2 * years.wrinkles)
    lips = np.minimum(lips, darker(skin, 0.1) + 20)
    top = np.concatenate([spline(outer[:7], 4), spline(inner[4::-1], 4)])
    bottom = np.concatenate(
        [spline(np.concatenate([outer[6:], outer[:1]]), 4), inner[:1],
         spline(np.concatenate([inner[:1], inner[:3:-1]]), 4)]
    )  # fmt: skip
    opening = np.concatenate(
        [spline(inner[:5], 4), spline(np.concatenate([inner[4:], inner[:1]]), 4)[1:-1]]
    )
    drawing.fill(opening, _MOUTH, z=0.02)
    _draw_teeth(drawing, face, opening, inner)
    drawing.fill(bottom, np.minimum(lips * 1.06, 255), z=0.02)
    drawing.fill(top, darker(lips, 0.16), z=0.02)
    shine = np.array([(-0.1, 0), (0, 0.008), (0.1, 0)]) + 0.5 * (outer[9] + inner[6])
    drawing.line(spline(shine, 3), np.minimum(lips * 1.2 + 8, 255), 0.02, z=0.03)
    # The line between the lips, or the edge of the opening, carries the mouth's shape.
    line = darker(lips, 0.62)
    seam = np.concatenate([outer[:1], inner[:5], outer[6:7]])
    drawing.line(spline(seam, 3), line, 0.02, z=0.02)
    under = spline(np.concatenate([inner[4:], inner[:1]]), 4)
    drawing.line(under, line, 0.012, z=0.02)


def _draw_teeth(drawing: Drawing, face: Subject, opening: np.ndarray, inner: np.ndarray) -> None:
    """Teeth of the upper jaw, of both when the lips are drawn apart, and the tongue."""
    gap = inner[6, 1] - inner[2, 1]
    if gap < 0.03:
        return
    pull, lift, stretch = map(face.both, ('corner_pull', 'upper_lip_raise', 'lip_stretch'))
    show = max(pull, lift, 0.9 * stretch)
    show = 0.35 + 0.65 * min(show, 1)
    row = min(0.11, gap * (0.9 if gap < 0.12 else 0.75)) * show
    limit = inner[2, 1] + row
    edge = 0.35 * (inner[0, 1] + inner[4, 1] - 2 * inner[2, 1]) * 0.5
    bend = limit + edge * (opening[:, 0] / max(inner[4, 0], 0.05)) ** 2
    teeth = columns(opening[:, 0] * 0.97, np.minimum(opening[:, 1], bend))
    drawing.fill(teeth, mix(_TEETH, _OLD_TEETH, 0.45 * face.years.wrinkles), z=0.02)
    lower = inner[6, 1] - 0.045 * (stretch + 0.7 * lift)
    if gap > 0.07 and stretch + lift > 0.45 and lower > limit + 0.015:
        teeth = columns(opening[:, 0] * 0.9, np.maximum(opening[:, 1], lower))
        drawing.fill(teeth, _TEETH * 0.93, z=0.02)
    elif gap > 0.16:
        tongue = inner[6, 1] - 0.3 * gap
        shape = columns(opening[:, 0] * 0.7, np.maximum(opening[:, 1], tongue))
        drawing.fill(shape, _TONGUE, z=0.02)


def draw_eye(drawing: Drawing, face: Subject, side: int, eye: np.ndarray) -> None:
    """One eye, cut by its lids; ``eye`` are its eight landmarks, ``side`` is -1 or 1."""
    person, years, skin = face.person, face.years, face.skin
    upper = spline(eye[:5], 4)
    lower = spline(np.concatenate([eye[4:], eye[:1]]), 4)
    drawing.fill(np.concatenate([upper, lower[1:-1]]), WHITE * (0.97 - 0.06 * years.wrinkles))
    pupil = face.points[96 if side < 0 else 97]
    radius = 0.078 * (1 + 0.1 * years.child)
    rising = slice(None) if upper[0, 0] < upper[-1, 0] else slice(None, None, -1)
    falling = slice(None, None, -1) if rising.step is None else slice(None)

    # Rings of the iris and a glint, cut off where the lids cover them.
    x, y = pupil
    rings = [ellipse(x, y, share * radius, share * radius, 20) for share in (1, 0.78, 0.45)]
    rings = np.concatenate([*rings, ellipse(x - 0.025, y - 0.028, 0.017, 0.017, 8)])
    top = np.interp(rings[:, 0], upper[rising, 0], upper[rising, 1])
    bottom = np.interp(rings[:, 0], lower[falling, 0], lower[falling, 1])
    rings[:, 1] = np.clip(rings[:, 1], top, np.maximum(bottom, top))
    drawing.fill(rings[:20], darker(person.iris, 0.35))
    drawing.fill(rings[20:40], person.iris)
    drawing.fill(rings[40:60], BLACK)
    drawing.fill(rings[60:], WHITE)
    lash = mix(darker(skin, 0.7), BLACK, 0.75)
    thick = 0.026 + 0.012 * (1 - person.masculine) * years.grown
    drawing.line(upper, lash, thick)
    if person.masculine < 0.4 and years.grown > 0.5:
        tip = eye[0 if side < 0 else 4]
        drawing.line(np.array([tip, tip + (side * 0.03, -0.022)]), lash, 0.016)
    drawing.line(lower, darker(skin, 0.45), 0.01)
    # The fold above the lid moves with the brow and vanishes when the eye is wide open.
    brow_low = face.points[40 if side < 0 else 48, 1]
    middle = eye[2, 1]
    space = min(max((middle - brow_low) * 0.33, 0.012), 0.05)
    fold = spline(eye[:5], 4) * (1.03, 1) - (0.03 * (eye[2, 0]), space)
    drawing.line(fold, darker(skin, 0.3 + 0.1 * years.wrinkles), 0.014)


def draw_brow(drawing: Drawing, face: Subject, brow: np.ndarray) -> None:
    """One brow; ``brow`` are its nine landmarks."""
    colour = darker(hair.hair_colour(face.person, face.years), 0.25)
    colour = mix(colour, face.skin, 0.1 + 0.25 * face.years.child)
    outline = spline(brow, 3, True)
    drawing.fill(outline, colour)
