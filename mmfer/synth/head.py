# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Draw the head without its features: shoulders, neck, ears, skin and hair, and its shading."""

import cv2
import numpy as np

from mmfer import wflw_points as wflw

from .camera import Camera
from .drawing import Drawing, brighter, columns, darker, ellipse, mix, spline, symmetric
from .landmarks import RELIEF, Subject

# Over the top of the head from left to right: a slightly squared ellipse.
_ARC = np.linspace(np.pi, 2 * np.pi, 15)
_SKULL_X = np.sign(np.cos(_ARC)) * np.abs(np.cos(_ARC)) ** 0.86
_SKULL_Y = np.maximum(-np.sin(_ARC), 0) ** 0.86
_BACK_CURLS = np.linspace(0.94 * np.pi, 2.06 * np.pi, 11).tolist()
_FRONT_CURLS = np.linspace(1.05 * np.pi, 1.95 * np.pi, 8).tolist()

# Shades are multiplied with pixels; this value does not change a pixel.
_NEUTRAL_SHADE = 128


def _skull(face: Subject, grow: float = 0.0, low: float = 0.06) -> np.ndarray:
    """Return the outline of the skull from left ear over the top to right ear; (15, 2)."""
    width, top = face.half_width * 1.02 + grow, face.crown - grow
    return columns(width * _SKULL_X, low + (top - low) * _SKULL_Y)


def draw_head(drawing: Drawing, face: Subject) -> None:
    """Draw, from back to front, hair, shoulders, neck, ears and the skin of the face."""
    _draw_back_hair(drawing, face)
    person, years, skin = face.person, face.years, face.skin
    jaw, chin = face.points[wflw.JAW], face.points[16, 1]
    neck = face.half_width * (0.5 + 0.13 * person.masculine - 0.14 * years.child)
    shoulders = symmetric([(-2.2, 2.6), (-1.7, 1.78), (-neck, 1.52)])
    drawing.fill(spline(shoulders, closed=True), person.clothes, depth=-0.1)
    throat = symmetric([(-neck, 0.6), (-neck, 1.45), (-neck * 1.15, 1.62)], (0, 1.8))
    drawing.fill(throat, darker(skin, 0.2), depth=-0.05)
    below = [(-neck, 0.7), (-neck, chin + 0.02), (-0.6 * neck, chin + 0.13)]
    drawing.fill(symmetric(below, (0, chin + 0.17)), darker(skin, 0.36), depth=-0.05)
    # The side of the head, visible between face and ear if the head is turned.
    head = np.concatenate([_skull(face)[1:-1], jaw[::-1]])
    drawing.fill(head * (1.0, 0.97), darker(skin, 0.14), depth=-0.02)
    tall = 0.2 * person.ear * (1 + 0.12 * years.sagging + 0.1 * years.child)
    for side in (-1, 1):
        x = side * (face.half_width + 0.02)
        drawing.fill(ellipse(x, 0.22, 0.1, tall), darker(skin, 0.1), depth=0.0)
        inside = ellipse(x + side * 0.01, 0.22, 0.05, 0.62 * tall)
        drawing.fill(inside, darker(skin, 0.3), depth=0.0)
    outline = np.concatenate([_skull(face, low=0.02)[1:-1], jaw[::-1]])
    drawing.fill(outline, skin, z=RELIEF[16])


def _draw_back_hair(drawing: Drawing, face: Subject) -> None:
    """Draw the hair behind head and neck."""
    color = darker(face.hair, 0.28)
    width, top, style = face.half_width, face.crown, face.person.hair_style
    if style in ('long', 'wavy', 'fringe'):
        bottom = {'long': 1.75, 'wavy': 1.6, 'fringe': 1.02}[style]
        spread = {'long': 1.12, 'wavy': 1.32, 'fringe': 1.16}[style] * width
        wave = 0.05 if style == 'wavy' else 0.0
        side = [(width * 1.0, 0.0), (spread + wave, 0.4), (spread - wave, 0.75),
                (spread + 2 * wave, bottom - 0.25), (spread * 0.85, bottom)]  # fmt: skip
        outline = np.concatenate([_skull(face, 0.09), symmetric(side)])
        drawing.fill(spline(outline, 3, True), color, depth=-0.12)
    elif style == 'curly':
        for angle in _BACK_CURLS:
            x, y = np.cos(angle) * (width + 0.02), -0.05 + np.sin(angle) * (-top - 0.1)
            drawing.fill(ellipse(x, y, 0.24, 0.24, 14), color, depth=-0.1)
    elif style == 'bun':
        drawing.fill(ellipse(0, top - 0.1, 0.3, 0.26), color, depth=-0.2)


def _hairline(face: Subject) -> np.ndarray:
    """Return the lower edge of the hair from right ear over forehead to left ear; (9, 2)."""
    person, years, width, top = face.person, face.years, face.half_width, face.crown
    back = 0.55 * years.recession
    center = top * (0.69 + 0.1 * back + 0.03 * years.child)
    temple = top * (0.56 + 0.26 * back)
    burn = 0.16 if person.masculine > 0.5 else 0.04
    half = [(width * 1.0, burn), (width * 0.95, -0.14), (width * (0.83 - 0.1 * back), -0.34),
            (width * (0.62 - 0.16 * back), temple)]  # fmt: skip
    line = symmetric(half, (0, center))
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


def draw_hair(drawing: Drawing, face: Subject) -> None:
    """Draw the hair on top of the head, around the forehead."""
    person, color, style = face.person, face.hair, face.person.hair_style
    width, top, recession = face.half_width, face.crown, face.years.recession
    bald = recession > 0.62 and person.masculine > 0.6
    if style == 'shaven' or bald:
        # Stubble on the scalp: hardly darker than the skin.
        color = mix(person.skin, color, 0.4 if style == 'shaven' else 0.75)
    if bald:
        # Only hair above the ears is left.
        tuft = np.array([(0.98, 0.12), (1.06, -0.1), (1.06, -0.32), (0.95, -0.5), (0.9, -0.3),
                         (0.95, -0.08)])  # fmt: skip
        for side in (-1, 1):
            drawing.fill(spline(tuft * (side * width, 1), 3, True), color, depth=0.05)
        return
    thick = {'shaven': 0.012, 'short': 0.06, 'bun': 0.045, 'curly': 0.14}.get(style, 0.09)
    outer = _skull(face, thick * (1 - 0.5 * recession))
    edge = spline(_hairline(face))
    drawing.fill(np.concatenate([spline(outer, 3), edge]), color, z=0.04)
    if style == 'curly':
        for angle in _FRONT_CURLS:
            x, y = np.cos(angle) * width * 0.86, 0.02 + np.sin(angle) * -top * 0.93
            tint = darker(color, 0.16) if int(angle * 10) % 2 else brighter(color, 1.1)
            drawing.fill(ellipse(x, y, 0.16, 0.15, 12), tint, z=0.05)
    elif style != 'shaven':
        _draw_strands(drawing, outer, edge, color, {'parted': 0.16, 'fringe': 0.0}.get(style, 0.06))


def _draw_strands(drawing: Drawing, outer, edge, color, lean: float) -> None:
    """Draw strands from the hairline to the outline, which show the style and the light."""
    for number, share in enumerate((0.1, 0.22, 0.34, 0.46, 0.58, 0.7, 0.82, 0.92)):
        start = edge[int((1 - share) * (len(edge) - 1))]
        end = outer[int(share * (len(outer) - 1))] * (0.96, 0.97)
        middle = 0.5 * (start + end) + (lean * (1 if share < 0.5 else -1), -0.02)
        tint = brighter(color, 1.22, 12) if number % 2 else darker(color, 0.22)
        drawing.line(spline([start, middle, end], 3), tint, 0.012, z=0.05)
    drawing.line(edge, darker(color, 0.25), 0.014, z=0.045)


def apply_shades(image: np.ndarray, camera: Camera, face: Subject) -> None:
    """Multiply the image by soft light and shadow, drawn at low resolution and blurred."""
    size = image.shape[0]
    small = max(24, size // 4)
    shade = np.full((small, small, 3), _NEUTRAL_SHADE, np.uint8)
    drawing = Drawing()
    _draw_shades(drawing, face)
    drawing.render(shade, camera)
    radius = round(3 * small / 56)
    shade = cv2.GaussianBlur(shade, (2 * radius + 1, 2 * radius + 1), 0.5 * radius)
    shade = cv2.resize(shade, (size, size), interpolation=cv2.INTER_LINEAR)
    cv2.multiply(image, shade, image, scale=1 / _NEUTRAL_SHADE)


def _tone(value: float, warm: float = 0.0) -> np.ndarray:
    """Return a shade with this factor; ``warm`` reduces blue and green."""
    return _NEUTRAL_SHADE * value * np.array((1 - warm, 1 - 0.6 * warm, 1))


def _draw_shades(drawing: Drawing, face: Subject) -> None:
    """Darken regions that face away or lie deep; brighten and redden raised ones."""
    points, years, person = face.points, face.years, face.person
    side, light = face.light_side, face.light
    jaw, chin = points[wflw.JAW], points[16, 1]
    # The side away from the light, then the lit center of the face on top.
    dark = jaw[16:] if side < 0 else jaw[:17]
    inner = np.array([(0.42, 1.0), (0.5, 0.5), (0.62, 0.1), (0.6, -0.6)])
    inner = (inner[::-1] if side < 0 else inner) * (-side * face.half_width, 1)
    drawing.fill(np.concatenate([dark, inner]), _tone(0.9 - 0.34 * light))
    rim = jaw[4:29]
    drawing.fill(np.concatenate([rim, (rim * (0.84, 0.9) + (0, 0.01))[::-1]]), _tone(0.9, 0.04))
    drawing.fill(ellipse(0.1 * side, -0.5, 0.42, 0.2, 14), _tone(1.07))
    for where in (-1, 1):
        act = face.actions(where)
        lit = 1.0 + 0.09 * light * (1 if where == side else -1)
        drawing.fill(ellipse(where * 0.36, -0.1, 0.25, 0.13, 12), _tone(0.9 * lit, 0.05))
        raised = 0.45 - 0.06 * act.cheek_raise
        blush = 0.05 + 0.07 * years.child + 0.06 * act.corner_pull
        drawing.fill(ellipse(where * 0.46, raised + 0.05, 0.2, 0.16, 12), _tone(1.03, blush))
        cheek = _tone(1.06 + 0.05 * act.cheek_raise, blush)
        drawing.fill(ellipse(where * 0.44, raised - 0.02, 0.12, 0.08, 10), cheek)
    if person.beard == 'stubble' and years.grown >= 0.9:
        stubble = np.concatenate([jaw[7:26], points[[82, 76]] * (1.5, 0.88)])
        drawing.fill(stubble, _tone(0.83, -0.1))
        drawing.fill(ellipse(0, points[79, 1] - 0.06, 0.26, 0.06, 12), _tone(0.83, -0.1))
    bags = 0.06 + 0.14 * years.wrinkles + 0.05 * face.both('cheek_raise')
    for where in (-1, 1):
        drawing.fill(ellipse(where * 0.345, 0.13, 0.13, 0.035, 10), _tone(1 - bags, 0.03))
    bridge, nostrils = points[wflw.BRIDGE], points[wflw.NOSTRILS]
    top, tip = bridge[0, 1], bridge[3, 1]
    away = -side * nostrils[-1, 0]
    flank = [(0.0, top), (0.35 * away, top + 0.05), (0.9 * away, tip + 0.04), (0.1 * away, tip)]
    drawing.fill(flank, _tone(0.88 - 0.14 * light, 0.03), z=0.05)
    ridge = [(0.02 * side, top + 0.1), (0.05 * side, tip)]
    drawing.line(ridge, _tone(1.1), 0.06, z=0.1)
    drawing.fill(ellipse(0, nostrils[2, 1] + 0.045, 0.15, 0.045, 12), _tone(0.86, 0.03))
    below = points[85, 1]
    drawing.fill(ellipse(0, below + 0.045, 0.15, 0.035, 10), _tone(0.86, 0.03))
    drawing.fill(ellipse(0.02 * side, 0.5 * (below + chin) + 0.06, 0.13, 0.08, 10), _tone(1.06))
