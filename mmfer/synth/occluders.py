# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Things in front of a face."""

import numpy as np

from .colours import darker, mix
from .drawing import Drawing, ellipse, spline
from .identity import Identity


def _turn(points: np.ndarray, angle: float, centre) -> np.ndarray:
    cos, sin = np.cos(angle), np.sin(angle)
    return points @ np.array([[cos, sin], [-sin, cos]]) + centre


def _any_colour(rng: np.random.Generator) -> np.ndarray:
    values = rng.uniform(20, 235, 4)
    return values[0] + (values[1:] - values[0]) * rng.uniform(0, 0.8)


def _hand(drawing: Drawing, person: Identity, rng: np.random.Generator) -> None:
    """Palm and fingers, coming from below or from the side."""
    skin = darker(person.skin, 0.06)
    side = rng.choice((-1, 1))
    centre = np.array([side * rng.uniform(0.1, 0.65), rng.uniform(0.3, 1.05)])
    angle = -side * rng.uniform(-0.2, 1.1)
    size = rng.uniform(0.8, 1.1)
    edge = darker(skin, 0.38)
    arm = size * np.array([(-0.2, 0.2), (-0.22, 2.0), (0.22, 2.0), (0.2, 0.2)])
    drawing.fill(_turn(arm, angle, centre), darker(skin, 0.12), z=0.6, flat=True)
    curl = rng.uniform(0.75, 1.15)
    tips = (-0.26, -0.09, 0.08, 0.24)
    for x, length in zip(tips, (0.42, 0.52, 0.5, 0.38), strict=True):
        finger = size * np.array([(x * 0.8, 0.05), (x, -length * curl)])
        finger = _turn(finger, angle, centre)
        drawing.line(finger, edge, 0.165 * size, z=0.6, flat=True)
        drawing.line(finger, skin, 0.135 * size, z=0.6, flat=True)
    palm = _turn(size * ellipse(0, 0.12, 0.3, 0.32), angle, centre)
    drawing.fill(palm, skin, z=0.6, flat=True)
    thumb = size * np.array([(side * 0.22, 0.15), (side * 0.42, -0.12)])
    drawing.line(_turn(thumb, angle, centre), skin, 0.15 * size, z=0.6, flat=True)


def _sunglasses(drawing: Drawing, person: Identity, rng: np.random.Generator) -> None:
    colour = rng.uniform(15, 60, 3)
    round_, tall = rng.uniform(0.55, 1), rng.uniform(0.17, 0.23)
    for side in (-1, 1):
        lens = ellipse(0, 0, 1, 1, 22)
        lens = np.sign(lens) * np.abs(lens) ** round_ * (0.26, tall) + (side * 0.345, 0.02)
        drawing.fill(lens, colour, z=0.1)
        shine = np.array([(-0.12, 0.03), (-0.03, -0.08)]) + (side * 0.345, 0.0)
        drawing.line(shine, colour + 60, 0.03, z=0.1)
    bar = np.array([(-0.85, -0.02), (-0.1, -0.06), (0.1, -0.06), (0.85, -0.02)])
    drawing.line(bar, colour, 0.04, z=0.1)


def _strands(drawing: Drawing, person: Identity, rng: np.random.Generator) -> None:
    """Locks of hair that fall over the face."""
    side = rng.choice((-1, 1))
    start = np.array([side * rng.uniform(0.0, 0.35), -0.85])
    for _ in range(rng.integers(4, 9)):
        end = np.array([side * rng.uniform(0.15, 0.8), rng.uniform(0.1, 1.3)])
        middle = 0.5 * (start + end) + (side * rng.uniform(0.0, 0.25), rng.uniform(-0.15, 0.1))
        colour = person.hair * rng.uniform(0.75, 1.25)
        lock = spline(np.array([start, middle, end]), 6)
        drawing.line(lock, np.clip(colour, 0, 255), rng.uniform(0.03, 0.075), z=0.12)


def _bars(drawing: Drawing, person: Identity, rng: np.random.Generator) -> None:
    """A fence, a railing, the edge of a door."""
    colour = _any_colour(rng)
    angle = rng.choice((0.0, np.pi / 2)) + rng.normal(0, 0.25)
    width, gap = rng.uniform(0.08, 0.2), rng.uniform(0.55, 0.9)
    first = rng.uniform(-0.9, -0.3)
    for number in range(rng.integers(1, 4)):
        x = first + gap * number
        bar = _turn(np.array([(x, -2.5), (x, 2.5)]), angle, (0, 0.3))
        drawing.line(bar, colour, width, z=0.6, flat=True)
        drawing.line(bar + 0.2 * width, darker(colour, 0.25), 0.3 * width, z=0.6, flat=True)


def _scarf(drawing: Drawing, person: Identity, rng: np.random.Generator) -> None:
    """A scarf or a mask over the chin, sometimes over the mouth."""
    top = rng.choice((0.42, 0.66, 1.0), p=(0.25, 0.3, 0.45))
    colour = _any_colour(rng)
    slope = rng.normal(0, 0.07)
    edge = np.array([(-0.95, top - 0.05 - slope), (-0.4, top + 0.02), (0, top - 0.02),
                     (0.4, top + 0.02), (0.95, top - 0.05 + slope)])  # fmt: skip
    outline = np.concatenate([spline(edge, 4), [(1.1, 1.9), (-1.1, 1.9)]])
    drawing.fill(outline, colour, z=0.08)
    for y in (0.16, 0.34, 0.55):
        drawing.line(spline(edge + (0, y), 3), darker(colour, 0.2), 0.03, z=0.08)


def _thing(drawing: Drawing, person: Identity, rng: np.random.Generator) -> None:
    """A cup, a phone, a leaf, a microphone: something with an outline and a pattern."""
    colour = _any_colour(rng)
    centre = np.array([rng.uniform(-0.7, 0.7), rng.uniform(-0.5, 1.2)])
    corners = int(rng.choice((4, 5, 24)))
    angle = rng.uniform(0, 2 * np.pi)
    shape = _turn(ellipse(0, 0, rng.uniform(0.22, 0.42), rng.uniform(0.22, 0.42), corners), angle,
                  centre)  # fmt: skip
    drawing.fill(shape, colour, z=0.6, flat=True)
    inner = centre + 0.6 * (shape - centre)
    drawing.fill(inner, mix(colour, _any_colour(rng), 0.6), z=0.6, flat=True)
    drawing.line(shape, darker(colour, 0.4), 0.025, z=0.6, flat=True, closed=True)


_KINDS = (_hand, _sunglasses, _strands, _bars, _scarf, _thing)
# Something that hides the mouth or both eyes for good is rarer than something that hides a side.
_CHANCES = (0.27, 0.1, 0.2, 0.17, 0.1, 0.16)


def draw_occluders(
    drawing: Drawing, person: Identity, probability: float, rng: np.random.Generator
) -> None:
    """Put something before the face with ``probability``, a second thing with half of it."""
    for chance in (probability, 0.5 * probability):
        if rng.random() < chance:
            _KINDS[rng.choice(len(_KINDS), p=_CHANCES)](drawing, person, rng)
        else:
            return
