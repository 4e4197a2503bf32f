# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Draw details on the skin: folds of age and expression, a beard, freckles and spots, glasses."""

from collections.abc import Iterator
from typing import TypeAlias

import numpy as np

from mmfer import wflw_points as wflw

from .drawing import Drawing, darker, ellipse, mix, spline, symmetric
from .landmarks import Subject

#: Points of a fold (N, 2), its depth, and its width in face units.
Fold: TypeAlias = tuple[np.ndarray, float, float]

_FRAME = np.array((46.0, 40.0, 44.0))


def _freckle_places() -> np.ndarray:
    """Return twenty fixed places on the cheeks, next to the nose; (20, 2)."""
    golden = np.pi * (3 - np.sqrt(5))
    radius = np.sqrt(np.arange(10) / 10)
    cheek = np.stack([0.36 + 0.19 * radius * np.cos(golden * np.arange(10)),
                      0.36 + 0.15 * radius * np.sin(golden * np.arange(10))], 1)  # fmt: skip
    return np.stack([cheek, cheek * (-1, 1)], 1).reshape(-1, 2)


_FRECKLES = _freckle_places()


def draw_creases(drawing: Drawing, face: Subject) -> None:
    """Draw all folds of the skin, from the forehead over both sides to the chin."""
    folds = [*_forehead(face), *_side(face, -1), *_side(face, 1), *_chin(face)]
    for points, strength, width in folds:
        if strength > 0.07:  # weaker ones are not visible
            drawing.line(spline(points), darker(face.skin, min(0.62 * strength, 0.55)), width)


def _forehead(face: Subject) -> Iterator[Fold]:
    """Yield lines across the forehead, from raised brows and from age."""
    if face.person.hair_style == 'fringe':
        return
    old = face.years.wrinkles
    raised = 0.5 * (face.both('inner_brow_raise') + face.both('outer_brow_raise'))
    for row in range(3):
        y = -0.43 - 0.075 * row - 0.03 * raised
        wave = symmetric([(-0.36, y + 0.02), (-0.18, y - 0.01)], (0, y + 0.01))
        yield wave, (0.3 + 0.7 * old) * raised + 0.62 * old - 0.12 * row, 0.016


def _side(face: Subject, side: int) -> Iterator[Fold]:
    """Yield folds around the viewer's left (-1) or right (1) eye, at the nose and cheek."""
    act, old, left = face.actions(side), face.years.wrinkles, side < 0
    # Frown line.
    x, y = face.points[37 if left else 42]
    x -= side * 0.075
    frown = act.brow_lower * (0.8 + 0.4 * old) + 0.45 * act.nose_wrinkle
    frown += 0.3 * old - 0.35 * act.inner_brow_raise
    yield [(x, y - 0.06), (x - side * 0.012, y + 0.02), (x, y + 0.1)], frown, 0.02
    # Crow's feet.
    x, y = face.points[60 if left else 72] + (side * 0.05, 0)
    feet = 0.55 * act.cheek_raise + 0.25 * act.nose_wrinkle
    feet = feet * (0.45 + 0.7 * old) + 0.6 * old - 0.14
    for dy in (-0.05, 0.005, 0.06):
        tip = (x + side * 0.115, y + 1.5 * dy + 0.015)
        yield [(x, y + 0.4 * dy), (x + side * 0.06, y + 0.8 * dy + 0.005), tip], feet, 0.012
    # The bag under the eye, and wrinkles of the nose.
    bag = [(side * 0.2, 0.1), (side * 0.33, 0.155), (side * 0.47, 0.11)]
    yield bag, 0.75 * old + 0.3 * act.cheek_raise - 0.1, 0.014
    for row in range(2):
        y = -0.02 + 0.07 * row
        line = [(side * 0.035, y), (side * 0.085, y + 0.02), (side * 0.125, y + 0.055)]
        yield line, act.nose_wrinkle - 0.1 * row, 0.018
    # From nose to mouth; weak in the round cheeks of children.
    wing, corner = face.points[[55, 76] if left else [59, 82]]
    bulge = 0.05 + 0.06 * act.corner_pull + 0.03 * act.nose_wrinkle
    middle_x = 0.5 * (wing[0] + corner[0]) + side * (0.05 + bulge)
    middle_y = 0.45 * wing[1] + 0.55 * corner[1] - 0.06
    end = (corner[0] + side * bulge, corner[1] - 0.03 + 0.12 * old)
    fold = 0.85 * act.corner_pull + 0.75 * act.nose_wrinkle + 0.6 * act.upper_lip_raise
    fold += 0.25 * act.lip_stretch
    fold = fold * (0.75 + 0.35 * old - 0.4 * face.years.child) + 0.75 * old
    yield [wing + (side * 0.035, -0.03), (middle_x, middle_y), end], fold, 0.02
    # Below the corner of the mouth.
    line = corner + np.array([(side * 0.03, 0.02), (side * 0.06, 0.09), (side * 0.055, 0.16)])
    yield line, 0.55 * act.corner_depress + 0.5 * old - 0.1, 0.016
    # Old cheeks and lips.
    if old > 0.35:
        cheek = [(side * 0.56, 0.42), (side * 0.54, 0.62), (side * 0.46, 0.8)]
        yield cheek, 0.75 * old - 0.2, 0.014
        y = face.points[79, 1] - 0.015
        for x in (0.06, 0.13):
            yield [(side * x, y - 0.07), (side * x * 1.05, y)], 0.7 * old - 0.25, 0.012


def _chin(face: Subject) -> Iterator[Fold]:
    """Yield the fold above a raised chin."""
    y = 0.45 * face.points[85, 1] + 0.55 * face.points[16, 1] - 0.04
    strength = 0.9 * face.both('chin_raise') + 0.2 * face.years.wrinkles - 0.1
    yield [(-0.11, y + 0.05), (0, y), (0.11, y + 0.05)], strength, 0.018


def draw_beard(drawing: Drawing, face: Subject) -> None:
    """Draw moustache, goatee or full beard of adult men; stubble is part of the shading."""
    beard, points = face.person.beard, face.points
    if beard in ('none', 'stubble') or face.years.grown < 0.9:
        return

    def shade(share):
        """Return the hair color, mixed with a share of the skin color."""
        return mix(face.hair, face.skin, share)

    lip_top, nose = points[79, 1], points[57, 1]
    left, right = points[76], points[82]
    upper_y = 0.35 * nose + 0.65 * lip_top
    if beard == 'full':
        jaw = points[wflw.JAW]
        inner = [(jaw[26, 0] * 0.86, right[1] - 0.12), right + (0.1, -0.06), (0, upper_y - 0.02),
                 left + (-0.1, -0.06), (jaw[6, 0] * 0.86, left[1] - 0.12)]  # fmt: skip
        drawing.fill(np.concatenate([jaw[2:31], spline(inner, 4)]), shade(0.12), z=0.03)
        around = points[wflw.OUTER_LIPS] * (1.04, 1) + (0, 0.012)
        drawing.fill(spline(around, 2, True), shade(0.5), z=0.02)
        return
    if beard == 'goatee':
        chin, low = points[16, 1], points[85, 1] + 0.04
        goatee = [(-0.16, low + 0.02), (0, low), (0.16, low + 0.02), (0.17, chin - 0.06),
                  (0, chin + 0.03), (-0.17, chin - 0.06)]  # fmt: skip
        drawing.fill(spline(goatee, 3, True), shade(0.15), z=0.03)
    moustache = [left + (-0.05, 0.06), (0.7 * left[0], upper_y + 0.01), (0, upper_y - 0.02),
                 (0.7 * right[0], upper_y + 0.01), right + (0.05, 0.06), (0.6 * right[0], lip_top),
                 (0, lip_top - 0.005), (0.6 * left[0], lip_top)]  # fmt: skip
    drawing.fill(spline(moustache, 2, True), shade(0.15 if beard == 'goatee' else 0.1), z=0.03)


def draw_marks(drawing: Drawing, face: Subject) -> None:
    """Draw freckles, a mole and age spots."""
    person, old, skin = face.person, face.years.wrinkles, face.skin
    if person.freckles:
        color = darker(skin, 0.22 + 0.12 * person.freckles)
        for x, y in _FRECKLES[: int(8 + 12 * person.freckles)]:
            drawing.fill(ellipse(x, y, 0.014, 0.012, 6), color)
    if old > 0.45:  # age spots
        for x, y in _FRECKLES[3:9] * (1.25, 1) - (0, 0.1):
            drawing.fill(ellipse(x, y, 0.024, 0.02, 8), darker(skin, 0.25 * old))
    if person.mole is not None:
        drawing.fill(ellipse(*person.mole, 0.024, 0.024, 8), darker(skin, 0.62))


def draw_glasses(drawing: Drawing, face: Subject) -> None:
    """Draw round glasses, of which only the frame hides the face."""
    for side, pupil in zip((-1, 1), face.points[wflw.PUPILS], strict=True):
        x = 0.345 * face.person.eye_spacing * side
        rim = ellipse(x, pupil[1] * 0.3 + 0.03, 0.235, 0.19, 22)
        drawing.line(rim, _FRAME, 0.026, z=0.08, closed=True)
        drawing.line([(x + side * 0.235, 0.0), (side * 0.8, 0.02)], _FRAME, 0.022)
    drawing.line([(-0.11, 0.0), (0, -0.03), (0.11, 0.0)], _FRAME, 0.022, z=0.1)
