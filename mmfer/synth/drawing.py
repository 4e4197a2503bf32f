# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Curves, colors, and a list of shapes in face units that are projected together and then painted.

There are many small shapes. Projecting them together takes one matrix product instead of a hundred,
which makes several hundred faces a second possible. A color is a BGR array of three numbers, 0 to
255.
"""

from functools import lru_cache

import cv2
import numpy as np

from .camera import Camera

WHITE = np.array((246.0, 248.0, 250.0))
BLACK = np.array((18.0, 16.0, 18.0))
# Shadows on skin absorb more blue than red.
_ABSORPTION = np.array((1.0, 0.92, 0.78))

_SHIFT = 4  # OpenCV draws at sixteenths of a pixel


def mix(first: np.ndarray, second: np.ndarray, share: float) -> np.ndarray:
    """Blend two colors; ``share`` 0 returns the first, 1 the second."""
    return first + (second - first) * share


def darker(color: np.ndarray, amount: float) -> np.ndarray:
    """Darken by ``amount`` in [0, 1], blue and green more than red, as shadows on skin do."""
    return color * (1 - amount * _ABSORPTION)


def brighter(color: np.ndarray, factor: float, extra: float = 0.0) -> np.ndarray:
    """Multiply by ``factor``, add ``extra`` and clip at 255."""
    return np.minimum(color * factor + extra, 255)


def columns(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return points (N, 2) from their coordinates (N,); a fast ``np.stack``."""
    points = np.empty((len(x), 2))
    points[:, 0], points[:, 1] = x, y
    return points


def symmetric(half, middle=()) -> np.ndarray:
    """Return points (N, 2): one ``half``, the ``middle``, and the mirrored half in reverse."""
    half = np.asarray(half)
    return np.concatenate([half, np.reshape(middle, (-1, 2)), half[::-1] * (-1, 1)])


@lru_cache(maxsize=16)
def _circle(count: int) -> np.ndarray:
    angle = np.linspace(0, 2 * np.pi, count, endpoint=False)
    return np.stack([np.cos(angle), np.sin(angle)], 1)


def ellipse(x: float, y: float, rx: float, ry: float, count: int = 24) -> np.ndarray:
    """Return the outline of an ellipse, (count, 2)."""
    circle = _circle(count)
    return columns(circle[:, 0] * rx + x, circle[:, 1] * ry + y)


@lru_cache(maxsize=128)
def _spline_matrix(count: int, steps: int, closed: bool) -> np.ndarray:
    """Return the matrix (samples, count) of Catmull-Rom interpolation, linear in its points."""
    segments = count if closed else count - 1
    rows = np.zeros((segments * steps + (not closed), count))
    for row in range(len(rows)):
        segment, step = divmod(row, steps)
        if segment == segments:  # the last point of an open curve
            segment, step = segments - 1, steps
        t = step / steps
        weights = (
            0.5 * (-t + 2 * t**2 - t**3),
            0.5 * (2 - 5 * t**2 + 3 * t**3),
            0.5 * (t + 4 * t**2 - 3 * t**3),
            0.5 * (-(t**2) + t**3),
        )
        for offset, weight in enumerate(weights, -1):
            point = segment + offset
            point = point % count if closed else min(max(point, 0), count - 1)
            rows[row, point] += weight
    return rows


def spline(points: np.ndarray, steps: int = 4, closed: bool = False) -> np.ndarray:
    """Return a smooth curve through ``points`` (N, 2), with ``steps`` samples per segment."""
    points = np.asarray(points)
    return _spline_matrix(len(points), steps, closed) @ points


class Drawing:
    """Shapes to paint, the first one at the bottom.

    A shape is on the surface of the face, and ``z`` is its height above it. With ``depth`` it is in
    a plane instead, at this distance in front of the plane behind the face.
    """

    def __init__(self):
        self._points = []
        self._heights = []  # (height, whether it is relative to the plane behind the face)
        self._styles = []  # (color, width or None, closed)

    def fill(self, points, color, z=0.0, depth=None):
        """Fill the polygon ``points`` (N, 2) with a BGR ``color``."""
        self._add(points, z, depth, (color.tolist(), None, True))

    def line(self, points, color, width, z=0.0, depth=None, closed=False):
        """Draw a line of ``width`` face units through ``points`` (N, 2)."""
        self._add(points, z, depth, (color.tolist(), width, closed))

    def _add(self, points, z, depth, style):
        self._points.append(np.asarray(points))
        self._heights.append((z, False) if depth is None else (depth, True))
        self._styles.append(style)

    def render(self, image: np.ndarray, camera: Camera) -> None:
        """Paint all shapes on ``image`` (S, S, 3), uint8, in place."""
        if not self._points:
            return
        size = image.shape[0]
        counts = [len(points) for points in self._points]
        height, flat = np.repeat(np.array(self._heights).T, counts, axis=1)
        pixels = camera.project(np.concatenate(self._points), size, height, flat > 0)
        pixels = np.rint(pixels * (1 << _SHIFT)).astype(np.int32)
        zoom = camera.zoom(size)
        end = 0
        for count, (color, width, closed) in zip(counts, self._styles, strict=True):
            end += count
            outline = pixels[end - count : end]
            if width is None:
                cv2.fillPoly(image, [outline], color, cv2.LINE_AA, _SHIFT)
            else:
                thickness = max(1, round(width * zoom))
                cv2.polylines(image, [outline], closed, color, thickness, cv2.LINE_AA, _SHIFT)
