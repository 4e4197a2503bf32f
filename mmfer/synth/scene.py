# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""What surrounds a face and what a camera does to it: background, light, blur, noise, loss."""

import cv2
import numpy as np

_PLAIN = (196, 190, 184)
_NOISE_STD = 256 / np.sqrt(6)  # of the difference of two uniform bytes


def draw_background(size: int, clutter: float, rng: np.random.Generator) -> np.ndarray:
    """Paint a background, (size, size, 3), uint8.

    Far things are drawn coarsely and come out blurred, near ones are sharp. Without clutter the
    background is one even grey.
    """
    if clutter == 0:
        return np.full((size, size, 3), _PLAIN, np.uint8)
    coarse = max(8, size // 8)
    image = np.empty((coarse, coarse, 3), np.uint8)
    first, last = _any_colours(2, rng)
    ramp = np.linspace(0, 1, coarse)[:, None, None]
    image[:] = first + (last - first) * ramp
    _draw_things(image, rng.poisson(9 * clutter), rng)
    image = cv2.resize(image, (size, size), interpolation=cv2.INTER_LINEAR)
    _draw_things(image, rng.poisson(4 * clutter), rng)
    return image


def _draw_things(image: np.ndarray, count: int, rng: np.random.Generator) -> None:
    """Draw ``count`` boxes, ellipses, triangles and lines."""
    size = image.shape[0]
    colours = _any_colours(count, rng).tolist()
    kinds = rng.integers(4, size=count).tolist()
    # Three points each, partly outside of the picture; a box or an ellipse needs one and a half.
    places = (rng.uniform(-0.2, 1.2, (count, 3, 2)) * size).astype(np.int32)
    extents = (rng.uniform(0.04, 0.4, (count, 2)) * size).astype(int).tolist()
    for colour, kind, corners, (dx, dy) in zip(colours, kinds, places, extents, strict=True):
        x, y = corners[0].tolist()
        if kind == 0:
            cv2.rectangle(image, (x - dx, y - dy), (x + dx, y + dy), colour, -1)
        elif kind == 1:
            # Other round things: a face is not the only ellipse in the picture.
            cv2.ellipse(image, (x, y), (dx, dy), 0, 0, 360, colour, -1, cv2.LINE_AA)
        elif kind == 2:
            cv2.fillPoly(image, [corners], colour, cv2.LINE_AA)
        else:
            cv2.line(image, (x, y), corners[1].tolist(), colour, max(1, size // 24), cv2.LINE_AA)


def _any_colours(count: int, rng: np.random.Generator) -> np.ndarray:
    """Colours as rooms and streets have them, more often dull than bright; (count, 3)."""
    values = rng.uniform(15, 240, (count, 4))
    grey = values[:, :1]
    return grey + (values[:, 1:] - grey) * rng.random((count, 1)) ** 1.8


def apply_light(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Change exposure and colour cast, and darken one side of the picture."""
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
    """Blur, add sensor noise, compress; each one for some of the pictures."""
    if strength == 0:
        return image
    size = image.shape[0]
    chance = rng.random(3)
    # Lengths and noise are relative to the picture: a larger picture is not an easier one.
    if chance[0] < 0.45:
        sigma = rng.uniform(0.3, 1.25) * strength * size / 112
        if chance[0] < 0.12:  # moved instead of out of focus
            length = max(2, round(3 * sigma))
            kernel = (length, 1) if chance[0] < 0.06 else (1, length)
            image = cv2.blur(image, kernel)
        else:
            image = cv2.GaussianBlur(image, (0, 0), sigma)
    if chance[1] < 0.6:
        # The difference of two uniform numbers is near enough to a normal one, and much cheaper.
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
