# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""What a person wears on the face: a beard, freckles, a mole, glasses."""

import numpy as np

from mmfer.wflw_points import JAW, OUTER_LIPS

from . import hair
from .colours import darker, mix
from .drawing import Drawing, ellipse, spline
from .subject import Subject

_FRAME = np.array((46.0, 40.0, 44.0))


def _freckle_places() -> np.ndarray:
    """Twenty fixed places on the cheeks and the nose; (20, 2)."""
    golden = np.pi * (3 - np.sqrt(5))
    radius = np.sqrt(np.arange(10) / 10)
    cheek = np.stack([0.36 + 0.19 * radius * np.cos(golden * np.arange(10)),
                      0.36 + 0.15 * radius * np.sin(golden * np.arange(10))], 1)  # fmt: skip
    return np.stack([cheek, cheek * (-1, 1)], 1).reshape(-1, 2)


_FRECKLES = _freckle_places()


def draw_beard(drawing: Drawing, face: Subject) -> None:
    """Moustache, goatee or full beard of a grown man; stubble is a matter of shading."""
    person, years, points = face.person, face.years, face.points
    if person.beard in ('none', 'stubble') or years.grown < 0.9:
        return
    skin = face.skin
    colour = hair.hair_colour(person, years)
    jaw = points[JAW]
    lip_top, nose = points[79, 1], points[57, 1]
    left, right = points[76], points[82]
    upper_y = 0.35 * nose + 0.65 * lip_top
    moustache = np.array(
        [left + (-0.05, 0.06), (0.7 * left[0], upper_y + 0.01), (0, upper_y - 0.02),
         (0.7 * right[0], upper_y + 0.01), right + (0.05, 0.06), (0.6 * right[0], lip_top),
         (0, lip_top - 0.005), (0.6 * left[0], lip_top)]
    )  # fmt: skip
    inner = np.array(
        [(jaw[26, 0] * 0.86, points[82, 1] - 0.12), right + (0.1, -0.06), (0, upper_y - 0.02),
         left + (-0.1, -0.06), (jaw[6, 0] * 0.86, points[76, 1] - 0.12)]
    )  # fmt: skip
    full = np.concatenate([jaw[2:31], spline(inner, 4)])
    if person.beard == 'full':
        drawing.fill(full, mix(colour, skin, 0.12), z=0.03)
    elif person.beard == 'goatee':
        chin = points[16]
        low = points[85, 1] + 0.04
        goatee = np.array([(-0.16, low + 0.02), (0, low), (0.16, low + 0.02),
                           (0.17, chin[1] - 0.06), (0, chin[1] + 0.03),
                           (-0.17, chin[1] - 0.06)])  # fmt: skip
        drawing.fill(spline(goatee, 3, True), mix(colour, skin, 0.15), z=0.03)
        drawing.fill(spline(moustache, 2, True), mix(colour, skin, 0.15), z=0.03)
    else:
        drawing.fill(spline(moustache, 2, True), mix(colour, skin, 0.1), z=0.03)
    if person.beard == 'full':
        drawing.fill(spline(points[OUTER_LIPS] * (1.04, 1) + (0, 0.012), 2, True),
                     mix(colour, skin, 0.5), z=0.02)  # fmt: skip


def draw_marks(drawing: Drawing, face: Subject) -> None:
    """Freckles, a mole, and the spots of age."""
    person, skin = face.person, face.skin
    if person.freckles:
        colour = darker(skin, 0.22 + 0.12 * person.freckles)
        for x, y in _FRECKLES[: int(8 + 12 * person.freckles)]:
            drawing.fill(ellipse(x, y, 0.014, 0.012, 6), colour)
    if face.years.wrinkles > 0.45:  # age spots
        for x, y in _FRECKLES[3:9] * (1.25, 1) - (0, 0.1):
            spot = darker(skin, 0.25 * face.years.wrinkles)
            drawing.fill(ellipse(x, y, 0.024, 0.02, 8), spot)
    if person.mole is not None:
        x, y = person.mole
        drawing.fill(ellipse(x, y, 0.024, 0.024, 8), darker(skin, 0.62))


def draw_glasses(drawing: Drawing, face: Subject) -> None:
    """Round spectacles that hide nothing but the frame's own width."""
    for side, pupil in ((-1, 96), (1, 97)):
        x = 0.345 * face.person.eye_spacing * side
        rim = ellipse(x, face.points[pupil, 1] * 0.3 + 0.03, 0.235, 0.19, 22)
        drawing.line(rim, _FRAME, 0.026, z=0.08, closed=True)
        drawing.line(np.array([(x + side * 0.235, 0.0), (side * 0.8, 0.02)]), _FRAME, 0.022)
    drawing.line(np.array([(-0.11, 0.0), (0, -0.03), (0.11, 0.0)]), _FRAME, 0.022, z=0.1)
