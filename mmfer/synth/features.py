# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Draw nose, mouth, eyes and brows through their landmarks."""

import numpy as np

from mmfer import wflw_points as wflw

from .drawing import BLACK, WHITE, Drawing, brighter, columns, darker, ellipse, mix, spline
from .landmarks import Subject

_LIPS = np.array((96.0, 98.0, 186.0))
_MOUTH = np.array((46.5, 36.0, 72.0))
_TONGUE = np.array((104.0, 96.0, 184.0))
_TEETH = np.array((228.0, 238.0, 242.0))
_OLD_TEETH = np.array((150.0, 200.0, 222.0))


def draw_nose(drawing: Drawing, face: Subject) -> None:
    """Draw wings, nostrils and tip; the bridge is part of the shading."""
    skin, wings = face.skin, face.points[wflw.NOSTRILS]
    line = darker(skin, 0.42)
    hole = 0.034 + 0.008 * (face.left.nose_wrinkle + face.right.nose_wrinkle)
    for side, (x, y), nostril in ((-1, wings[0], wings[1]), (1, wings[4], wings[3])):
        around = [(x + side * 0.005, y - 0.1), (x + side * 0.032, y - 0.045), (x, y),
                  nostril + (0, 0.004)]  # fmt: skip
        drawing.line(spline(around), line, 0.018, z=0.04)
        opening = ellipse(nostril[0], nostril[1] - 0.008, hole, 0.016, 10)
        drawing.fill(opening, darker(skin, 0.66), z=0.06)
    drawing.line(spline(wings[1:4]), line, 0.014, z=0.07)


def draw_mouth(drawing: Drawing, face: Subject) -> None:
    """Draw the mouth opening with teeth and tongue, then the lips."""
    person, skin = face.person, face.skin
    outer, inner = face.points[wflw.OUTER_LIPS], face.points[wflw.INNER_LIPS]
    red = 0.62 - 0.24 * person.masculine - 0.2 * face.years.wrinkles
    lips = np.minimum(mix(darker(skin, 0.12), _LIPS, red), darker(skin, 0.1) + 20)
    under = spline(inner[[4, 5, 6, 7, 0]])
    top = np.concatenate([spline(outer[:7]), spline(inner[4::-1])])
    low = spline(outer[[6, 7, 8, 9, 10, 11, 0]])
    bottom = np.concatenate([low, inner[:1], spline(inner[[0, 7, 6, 5, 4]])])
    opening = np.concatenate([spline(inner[:5]), under[1:-1]])
    drawing.fill(opening, _MOUTH, z=0.02)
    _draw_teeth(drawing, face, opening, inner)
    drawing.fill(bottom, brighter(lips, 1.06), z=0.02)
    drawing.fill(top, darker(lips, 0.16), z=0.02)
    shine = np.array([(-0.1, 0), (0, 0.008), (0.1, 0)]) + 0.5 * (outer[9] + inner[6])
    drawing.line(spline(shine, 3), brighter(lips, 1.2, 8), 0.02, z=0.03)
    # The line between the lips, or the edge of the opening, shows the shape of the mouth.
    line = darker(lips, 0.62)
    drawing.line(spline(np.concatenate([outer[:1], inner[:5], outer[6:7]]), 3), line, 0.02, z=0.02)
    drawing.line(under, line, 0.012, z=0.02)


def _draw_teeth(drawing: Drawing, face: Subject, opening: np.ndarray, inner: np.ndarray) -> None:
    """Draw upper teeth, also lower ones if the lips are drawn apart, and the tongue."""
    gap = inner[6, 1] - inner[2, 1]
    if gap < 0.03:
        return
    x, y = opening.T
    pull, lift, stretch = map(face.both, ('corner_pull', 'upper_lip_raise', 'lip_stretch'))
    show = 0.35 + 0.65 * min(max(pull, lift, 0.9 * stretch), 1)
    row = min(0.11, gap * (0.9 if gap < 0.12 else 0.75)) * show
    limit = inner[2, 1] + row
    edge = 0.35 * (inner[0, 1] + inner[4, 1] - 2 * inner[2, 1]) * 0.5
    bend = limit + edge * (x / max(inner[4, 0], 0.05)) ** 2
    old = mix(_TEETH, _OLD_TEETH, 0.45 * face.years.wrinkles)
    drawing.fill(columns(x * 0.97, np.minimum(y, bend)), old, z=0.02)
    lower = inner[6, 1] - 0.045 * (stretch + 0.7 * lift)
    if gap > 0.07 and stretch + lift > 0.45 and lower > limit + 0.015:
        drawing.fill(columns(x * 0.9, np.maximum(y, lower)), _TEETH * 0.93, z=0.02)
    elif gap > 0.16:
        tongue = inner[6, 1] - 0.3 * gap
        drawing.fill(columns(x * 0.7, np.maximum(y, tongue)), _TONGUE, z=0.02)


def draw_eye(drawing: Drawing, face: Subject, side: int) -> None:
    """Draw the viewer's left (-1) or right (1) eye, clipped by its lids."""
    person, years, skin = face.person, face.years, face.skin
    eye, brow = face.points[wflw.LEFT_EYE if side < 0 else wflw.RIGHT_EYE], _brow(face, side)
    x, y = face.points[96 if side < 0 else 97]
    upper, lower = spline(eye[:5]), spline(eye[[4, 5, 6, 7, 0]])
    drawing.fill(np.concatenate([upper, lower[1:-1]]), WHITE * (0.97 - 0.06 * years.wrinkles))

    # Rings of the iris and a highlight, clipped at the lids.
    radius = 0.078 * (1 + 0.1 * years.child)
    rings = [ellipse(x, y, share * radius, share * radius, 20) for share in (1, 0.78, 0.45)]
    rings = np.concatenate([*rings, ellipse(x - 0.025, y - 0.028, 0.017, 0.017, 8)])
    top = np.interp(rings[:, 0], *upper.T)
    bottom = np.interp(rings[:, 0], *lower[::-1].T)
    rings[:, 1] = np.clip(rings[:, 1], top, np.maximum(bottom, top))
    drawing.fill(rings[:20], darker(person.iris, 0.35))
    drawing.fill(rings[20:40], person.iris)
    drawing.fill(rings[40:60], BLACK)
    drawing.fill(rings[60:], WHITE)
    lash = mix(darker(skin, 0.7), BLACK, 0.75)
    drawing.line(upper, lash, 0.026 + 0.012 * (1 - person.masculine) * years.grown)
    if person.masculine < 0.4 and years.grown > 0.5:
        tip = eye[0 if side < 0 else 4]
        drawing.line(np.array([tip, tip + (side * 0.03, -0.022)]), lash, 0.016)
    drawing.line(lower, darker(skin, 0.45), 0.01)
    # The fold above the lid moves with the brow and disappears if the eye is wide open.
    x, y = eye[2]
    space = min(max((y - brow[7 if side < 0 else 6, 1]) * 0.33, 0.012), 0.05)
    fold = upper * (1.03, 1) - (0.03 * x, space)
    drawing.line(fold, darker(skin, 0.3 + 0.1 * years.wrinkles), 0.014)


def draw_brow(drawing: Drawing, face: Subject, side: int) -> None:
    """Draw the viewer's left (-1) or right (1) brow."""
    color = mix(darker(face.hair, 0.25), face.skin, 0.1 + 0.25 * face.years.child)
    drawing.fill(spline(_brow(face, side), 3, True), color)


def _brow(face: Subject, side: int) -> np.ndarray:
    return face.points[wflw.LEFT_BROW if side < 0 else wflw.RIGHT_BROW]
