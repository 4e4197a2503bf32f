# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Flat colours: hair behind the head, shoulders, neck, ears and the face itself."""

import numpy as np

from mmfer.wflw_points import JAW

from . import hair
from .colours import darker
from .drawing import Drawing, ellipse, spline
from .landmarks import RELIEF, half_width
from .subject import Subject


def draw_body(drawing: Drawing, face: Subject) -> None:
    """Hair behind the head, shoulders, neck and ears."""
    person, years, skin = face.person, face.years, face.skin
    hair.draw_back(drawing, person, years)
    width, chin = half_width(person, years), face.points[16, 1]
    neck = width * (0.5 + 0.13 * person.masculine - 0.14 * years.child)
    shoulder = np.array(
        [(-2.2, 2.6), (-1.7, 1.78), (-neck, 1.52), (neck, 1.52), (1.7, 1.78), (2.2, 2.6)]
    )
    drawing.fill(spline(shoulder, 4, True), person.clothes, z=-0.1, flat=True)
    throat = np.array(
        [(-neck, 0.6), (-neck, 1.45), (-neck * 1.15, 1.62), (0, 1.8), (neck * 1.15, 1.62),
         (neck, 1.45), (neck, 0.6)]
    )  # fmt: skip
    drawing.fill(throat, darker(skin, 0.2), z=-0.05, flat=True)
    shadow = np.array([(-neck, 0.7), (-neck, chin + 0.02), (-0.6 * neck, chin + 0.13),
                       (0, chin + 0.17), (0.6 * neck, chin + 0.13), (neck, chin + 0.02),
                       (neck, 0.7)])  # fmt: skip
    drawing.fill(shadow, darker(skin, 0.36), z=-0.05, flat=True)
    # The side of the head: it comes into view between face and ear when the head turns.
    head = np.concatenate([hair.skull(person, years)[1:-1], face.points[JAW][::-1]])
    drawing.fill(head * (1.0, 0.97), darker(skin, 0.14), z=-0.02, flat=True)
    for side in (-1, 1):
        tall = 0.2 * person.ear * (1 + 0.12 * years.sagging + 0.1 * years.child)
        x = side * (width + 0.02)
        drawing.fill(ellipse(x, 0.22, 0.1, tall), darker(skin, 0.1), z=0.0, flat=True)
        drawing.fill(
            ellipse(x + side * 0.01, 0.22, 0.05, 0.62 * tall), darker(skin, 0.3), z=0.0,
            flat=True,
        )  # fmt: skip


def draw_skin(drawing: Drawing, face: Subject) -> None:
    """The face itself: the skull above, the jaw below."""
    skull = hair.skull(face.person, face.years, low=0.02)
    jaw = face.points[JAW]
    outline = np.concatenate([skull[1:-1], jaw[::-1]])
    drawing.fill(outline, face.skin, z=RELIEF[16])
