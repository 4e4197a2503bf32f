# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""What makes a face hard to recognize: background, occluders, light, blur, noise, compression."""

import cv2
import numpy as np

from .drawing import Drawing, darker, ellipse, mix, spline
from .identity import Identity

_PLAIN = (196, 190, 184)
_NOISE_STD = 256 / np.sqrt(6)  # of the difference of two uniform bytes


def draw_background(size: int, clutter: float, rng: np.random.Generator) -> np.ndarray:
    """Draw a background, (size, size, 3), uint8.

    Distant things are drawn at low resolution, so they are blurred; near ones are sharp. Without
    clutter the background is uniform gray.
    """
    if clutter == 0:
        return np.full((size, size, 3), _PLAIN, np.uint8)
    coarse = max(8, size // 8)
    image = np.empty((coarse, coarse, 3), np.uint8)
    first, last = _any_colors(2, rng)
    ramp = np.linspace(0, 1, coarse)[:, None, None]
    image[:] = first + (last - first) * ramp
    _draw_things(image, rng.poisson(9 * clutter), rng)
    image = cv2.resize(image, (size, size), interpolation=cv2.INTER_LINEAR)
    _draw_things(image, rng.poisson(4 * clutter), rng)
    return image


def _draw_things(image: np.ndarray, count: int, rng: np.random.Generator) -> None:
    """Draw ``count`` boxes, ellipses, triangles and lines."""
    size = image.shape[0]
    colors = _any_colors(count, rng).tolist()
    kinds = rng.integers(4, size=count).tolist()
    # Three points each, partly outside of the image; boxes and ellipses use only the first.
    places = (rng.uniform(-0.2, 1.2, (count, 3, 2)) * size).astype(np.int32)
    extents = (rng.uniform(0.04, 0.4, (count, 2)) * size).astype(int).tolist()
    for color, kind, corners, (dx, dy) in zip(colors, kinds, places, extents, strict=True):
        x, y = corners[0].tolist()
        if kind == 0:
            cv2.rectangle(image, (x - dx, y - dy), (x + dx, y + dy), color, -1)
        elif kind == 1:
            # So a face is not the only ellipse in the image.
            cv2.ellipse(image, (x, y), (dx, dy), 0, 0, 360, color, -1, cv2.LINE_AA)
        elif kind == 2:
            cv2.fillPoly(image, [corners], color, cv2.LINE_AA)
        else:
            cv2.line(image, (x, y), corners[1].tolist(), color, max(1, size // 24), cv2.LINE_AA)


def _any_colors(count: int, rng: np.random.Generator) -> np.ndarray:
    """Sample colors of rooms and streets, mostly dull ones; (count, 3)."""
    values = rng.uniform(15, 240, (count, 4))
    gray = values[:, :1]
    return gray + (values[:, 1:] - gray) * rng.random((count, 1)) ** 1.8


def draw_occluders(
    drawing: Drawing, person: Identity, probability: float, rng: np.random.Generator
) -> None:
    """Draw an occluder with ``probability``, and then a second one with half of it."""
    for chance in (probability, 0.5 * probability):
        if rng.random() >= chance:
            return
        _OCCLUDERS[rng.choice(len(_OCCLUDERS), p=_CHANCES)](drawing, person, rng)


def _turn(points, angle: float, center) -> np.ndarray:
    cos, sin = np.cos(angle), np.sin(angle)
    return points @ np.array([[cos, sin], [-sin, cos]]) + center


def _any_color(rng: np.random.Generator) -> np.ndarray:
    values = rng.uniform(20, 235, 4)
    return values[0] + (values[1:] - values[0]) * rng.uniform(0, 0.8)


def _hand(drawing: Drawing, person: Identity, rng: np.random.Generator) -> None:
    """Draw a hand that comes from below or from the side."""
    skin = darker(person.skin, 0.06)
    side = rng.choice((-1, 1))
    center = np.array([side * rng.uniform(0.1, 0.65), rng.uniform(0.3, 1.05)])
    angle = -side * rng.uniform(-0.2, 1.1)
    size = rng.uniform(0.8, 1.1)
    edge = darker(skin, 0.38)

    def place(points):
        return _turn(size * np.asarray(points), angle, center)

    arm = place([(-0.2, 0.2), (-0.22, 2.0), (0.22, 2.0), (0.2, 0.2)])
    drawing.fill(arm, darker(skin, 0.12), depth=0.6)
    curl = rng.uniform(0.75, 1.15)
    for x, length in ((-0.26, 0.42), (-0.09, 0.52), (0.08, 0.5), (0.24, 0.38)):
        finger = place([(x * 0.8, 0.05), (x, -length * curl)])
        drawing.line(finger, edge, 0.165 * size, depth=0.6)
        drawing.line(finger, skin, 0.135 * size, depth=0.6)
    drawing.fill(place(ellipse(0, 0.12, 0.3, 0.32)), skin, depth=0.6)
    thumb = place([(side * 0.22, 0.15), (side * 0.42, -0.12)])
    drawing.line(thumb, skin, 0.15 * size, depth=0.6)


def _sunglasses(drawing: Drawing, person: Identity, rng: np.random.Generator) -> None:
    color = rng.uniform(15, 60, 3)
    round_, tall = rng.uniform(0.55, 1), rng.uniform(0.17, 0.23)
    for side in (-1, 1):
        lens = ellipse(0, 0, 1, 1, 22)
        lens = np.sign(lens) * np.abs(lens) ** round_ * (0.26, tall) + (side * 0.345, 0.02)
        drawing.fill(lens, color, z=0.1)
        shine = np.array([(-0.12, 0.03), (-0.03, -0.08)]) + (side * 0.345, 0.0)
        drawing.line(shine, color + 60, 0.03, z=0.1)
    bar = [(-0.85, -0.02), (-0.1, -0.06), (0.1, -0.06), (0.85, -0.02)]
    drawing.line(bar, color, 0.04, z=0.1)


def _strands(drawing: Drawing, person: Identity, rng: np.random.Generator) -> None:
    """Draw strands of hair over the face."""
    side = rng.choice((-1, 1))
    start = np.array([side * rng.uniform(0.0, 0.35), -0.85])
    for _ in range(rng.integers(4, 9)):
        end = np.array([side * rng.uniform(0.15, 0.8), rng.uniform(0.1, 1.3)])
        middle = 0.5 * (start + end) + (side * rng.uniform(0.0, 0.25), rng.uniform(-0.15, 0.1))
        color = person.hair * rng.uniform(0.75, 1.25)
        lock = spline([start, middle, end], 6)
        drawing.line(lock, np.clip(color, 0, 255), rng.uniform(0.03, 0.075), z=0.12)


def _bars(drawing: Drawing, person: Identity, rng: np.random.Generator) -> None:
    """Draw bars: a fence, a railing, the edge of a door."""
    color = _any_color(rng)
    angle = rng.choice((0.0, np.pi / 2)) + rng.normal(0, 0.25)
    width, gap = rng.uniform(0.08, 0.2), rng.uniform(0.55, 0.9)
    first = rng.uniform(-0.9, -0.3)
    for number in range(rng.integers(1, 4)):
        x = first + gap * number
        bar = _turn([(x, -2.5), (x, 2.5)], angle, (0, 0.3))
        drawing.line(bar, color, width, depth=0.6)
        drawing.line(bar + 0.2 * width, darker(color, 0.25), 0.3 * width, depth=0.6)


def _scarf(drawing: Drawing, person: Identity, rng: np.random.Generator) -> None:
    """Draw a scarf or a mask over the chin, sometimes over the mouth."""
    top = rng.choice((0.42, 0.66, 1.0), p=(0.25, 0.3, 0.45))
    color = _any_color(rng)
    slope = rng.normal(0, 0.07)
    edge = np.array([(-0.95, top - 0.05 - slope), (-0.4, top + 0.02), (0, top - 0.02),
                     (0.4, top + 0.02), (0.95, top - 0.05 + slope)])  # fmt: skip
    outline = np.concatenate([spline(edge), [(1.1, 1.9), (-1.1, 1.9)]])
    drawing.fill(outline, color, z=0.08)
    for y in (0.16, 0.34, 0.55):
        drawing.line(spline(edge + (0, y), 3), darker(color, 0.2), 0.03, z=0.08)


def _thing(drawing: Drawing, person: Identity, rng: np.random.Generator) -> None:
    """Draw a thing with outline and pattern: a cup, a phone, a leaf, a microphone."""
    color = _any_color(rng)
    center = np.array([rng.uniform(-0.7, 0.7), rng.uniform(-0.5, 1.2)])
    corners = int(rng.choice((4, 5, 24)))
    angle = rng.uniform(0, 2 * np.pi)
    width, height = rng.uniform(0.22, 0.42, 2)
    shape = _turn(ellipse(0, 0, width, height, corners), angle, center)
    drawing.fill(shape, color, depth=0.6)
    inner = center + 0.6 * (shape - center)
    drawing.fill(inner, mix(color, _any_color(rng), 0.6), depth=0.6)
    drawing.line(shape, darker(color, 0.4), 0.025, depth=0.6, closed=True)


_OCCLUDERS = (_hand, _sunglasses, _strands, _bars, _scarf, _thing)
# Things that always hide the mouth or both eyes are less frequent.
_CHANCES = (0.27, 0.1, 0.2, 0.17, 0.1, 0.16)


def apply_light(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Change exposure and color cast, and darken one side of the image."""
    if strength == 0:
        return image
    spread = np.clip(rng.standard_normal(4), -2, 2) * strength
    gain = np.exp2(0.27 * spread[0] - 0.08) * (1 + 0.05 * spread[1:])
    angle, slope = rng.uniform(0, 2 * np.pi), min(abs(rng.normal(0, 0.22)) * strength, 0.6)
    axis = np.linspace(-1, 1, 8, dtype=np.float32)
    side = np.cos(angle) * axis[None, :] + np.sin(angle) * axis[:, None]
    light = (1 + slope * side)[..., None] * gain
    size = image.shape[:2][::-1]
    light = cv2.resize(light.astype(np.float32), size, interpolation=cv2.INTER_LINEAR)
    return cv2.multiply(image, light, dtype=cv2.CV_8U)


def apply_loss(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Blur, add sensor noise and compress, each for some of the images."""
    if strength == 0:
        return image
    size = image.shape[0]
    chance = rng.random(3)
    # Lengths are relative to the image size, so that larger images are not easier.
    if chance[0] < 0.45:
        sigma = rng.uniform(0.3, 1.25) * strength * size / 112
        if chance[0] < 0.12:  # motion blur instead of defocus
            length = max(2, round(3 * sigma))
            kernel = (length, 1) if chance[0] < 0.06 else (1, length)
            image = cv2.blur(image, kernel)
        else:
            image = cv2.GaussianBlur(image, (0, 0), sigma)
    if chance[1] < 0.6:
        # The difference of two uniform numbers is close to a normal one, and much cheaper.
        first, second = rng.integers(256, size=(2, size, size), dtype=np.uint8)
        noise = (first.astype(np.float32) - second) * np.float32(
            strength * rng.uniform(2, 11) / _NOISE_STD
        )
        image = cv2.add(image, cv2.cvtColor(noise, cv2.COLOR_GRAY2BGR), dtype=cv2.CV_8U)
    if chance[2] < 0.4:
        quality = int(np.clip(100 - strength * rng.uniform(25, 75), 10, 100))
        coded = cv2.imencode('.jpg', image, (cv2.IMWRITE_JPEG_QUALITY, quality))[1]
        image = cv2.imdecode(coded, cv2.IMREAD_COLOR)
    return image
