# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Hair: what is behind the head, and what frames the face."""

import numpy as np

from .ageing import Ageing
from .colours import darker, mix
from .drawing import Drawing, columns, ellipse, spline
from .identity import Identity
from .landmarks import half_width

_SILVER = np.array((205.0, 208.0, 210.0))
# Over the top of the head from left to right: an ellipse, slightly squared.
_ARC = np.linspace(np.pi, 2 * np.pi, 15)
_SKULL_X = np.sign(np.cos(_ARC)) * np.abs(np.cos(_ARC)) ** 0.86
_SKULL_Y = np.maximum(-np.sin(_ARC), 0) ** 0.86
_BACK_CURLS = np.linspace(0.94 * np.pi, 2.06 * np.pi, 11).tolist()
_FRONT_CURLS = np.linspace(1.05 * np.pi, 1.95 * np.pi, 8).tolist()


def hair_colour(person: Identity, years: Ageing) -> np.ndarray:
    """The person's colour, greyed by age and fairer in small children."""
    colour = mix(person.hair, person.hair * 1.25 + 8, years.child)
    return np.minimum(mix(colour, _SILVER, 0.9 * years.grey), 255)


def crown_y(person: Identity, years: Ageing) -> float:
    """Height of the top of the skull; a child's skull is tall for its face."""
    return -0.93 * (0.6 + 0.4 * person.forehead) * (1 + 0.04 * years.child)


def skull(person: Identity, years: Ageing, grow: float = 0.0, low: float = 0.06) -> np.ndarray:
    """Outline of the skull from the left ear over the top to the right ear; (15, 2)."""
    width, top = half_width(person, years) * 1.02 + grow, crown_y(person, years) - grow
    return columns(width * _SKULL_X, low + (top - low) * _SKULL_Y)


def draw_back(drawing: Drawing, person: Identity, years: Ageing) -> None:
    """Draw the hair behind head and neck."""
    colour = darker(hair_colour(person, years), 0.28)
    width, top = half_width(person, years), crown_y(person, years)
    style = person.hair_style
    if style in ('long', 'wavy', 'fringe'):
        bottom = {'long': 1.75, 'wavy': 1.6, 'fringe': 1.02}[style]
        spread = {'long': 1.12, 'wavy': 1.32, 'fringe': 1.16}[style] * width
        wave = 0.05 if style == 'wavy' else 0.0
        side = np.array(
            [(width * 1.0, 0.0), (spread + wave, 0.4), (spread - wave, 0.75),
             (spread + 2 * wave, bottom - 0.25), (spread * 0.85, bottom)]
        )  # fmt: skip
        outline = np.concatenate([skull(person, years, 0.09), side, side[::-1] * (-1, 1)])
        drawing.fill(spline(outline, 3, True), colour, z=-0.12, flat=True)
    elif style == 'curly':
        for angle in _BACK_CURLS:
            x, y = np.cos(angle) * (width + 0.02), -0.05 + np.sin(angle) * (-top - 0.1)
            drawing.fill(ellipse(x, y, 0.24, 0.24, 14), colour, z=-0.1, flat=True)
    elif style == 'bun':
        drawing.fill(ellipse(0, top - 0.1, 0.3, 0.26), colour, z=-0.2, flat=True)


def _hairline(person: Identity, years: Ageing) -> np.ndarray:
    """Lower edge of the hair from the right ear over the forehead to the left ear; (9, 2)."""
    width, top = half_width(person, years), crown_y(person, years)
    back = 0.55 * years.recession
    centre = top * (0.69 + 0.1 * back + 0.03 * years.child)
    temple = top * (0.56 + 0.26 * back)
    burn = 0.16 if person.masculine > 0.5 else 0.04
    half = np.array(
        [(width * 1.0, burn), (width * 0.95, -0.14), (width * (0.83 - 0.1 * back), -0.34),
         (width * (0.62 - 0.16 * back), temple)]
    )  # fmt: skip
    line = np.concatenate([half, [(0, centre)], half[::-1] * (-1, 1)])
    if person.hair_style == 'parted':
        line[4:7, 1] += np.array([0.05, 0.08, 0.06])
        line[3, 1] -= 0.05
    elif person.hair_style == 'fringe':
        line[2:7, 1] = np.array([-0.42, -0.44, -0.41, -0.45, -0.42])
    elif person.hair_style in ('long', 'wavy'):
        line[[2, 6], 0] *= 0.97
        line[[0, 8], 1] = 0.62
        line[[0, 8], 0] *= 1.02
        line[[1, 7], 0] *= 0.98
    return line


def draw_front(drawing: Drawing, person: Identity, years: Ageing) -> None:
    """Draw the hair on top of the head, around the forehead."""
    colour = hair_colour(person, years)
    style = person.hair_style
    bald = years.recession > 0.62 and person.masculine > 0.6
    thick = {'shaven': 0.012, 'short': 0.06, 'bun': 0.045, 'curly': 0.14}.get(style, 0.09)
    thick *= 1 - 0.5 * years.recession
    if style == 'shaven' or bald:
        # Stubble on the scalp: hardly darker than the skin.
        colour = mix(person.skin, colour, 0.4 if style == 'shaven' else 0.75)
    outer, line = skull(person, years, thick), _hairline(person, years)
    if bald:
        # A wreath of hair over the ears is left.
        for side in (-1, 1):
            width = half_width(person, years)
            tuft = np.array(
                [(0.98, 0.12), (1.06, -0.1), (1.06, -0.32), (0.95, -0.5), (0.9, -0.3),
                 (0.95, -0.08)]
            )  # fmt: skip
            drawing.fill(spline(tuft * (side * width, 1), 3, True), colour, z=0.05, flat=True)
        return
    edge = spline(line, 4)
    drawing.fill(np.concatenate([spline(outer, 3), edge]), colour, z=0.04)
    if style == 'shaven':
        return
    if style == 'curly':
        for angle in _FRONT_CURLS:
            width, top = half_width(person, years), crown_y(person, years)
            x, y = np.cos(angle) * width * 0.86, 0.02 + np.sin(angle) * -top * 0.93
            tint = darker(colour, 0.16) if int(angle * 10) % 2 else np.minimum(colour * 1.1, 255)
            drawing.fill(ellipse(x, y, 0.16, 0.15, 12), tint, z=0.05)
        return
    # Strands run from the hairline to the outline: they show the style and catch the light.
    for number, share in enumerate((0.1, 0.22, 0.34, 0.46, 0.58, 0.7, 0.82, 0.92)):
        start = edge[int((1 - share) * (len(edge) - 1))]
        end = outer[int(share * (len(outer) - 1))] * (0.96, 0.97)
        lean = {'parted': 0.16, 'fringe': 0.0}.get(style, 0.06)
        middle = 0.5 * (start + end) + (lean * (1 if share < 0.5 else -1), -0.02)
        tint = np.minimum(colour * 1.22 + 12, 255) if number % 2 else darker(colour, 0.22)
        drawing.line(spline(np.array([start, middle, end]), 3), tint, 0.012, z=0.05)
    drawing.line(edge, darker(colour, 0.25), 0.014, z=0.045)
