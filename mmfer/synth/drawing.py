# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""A list of shapes in face units that is projected in one go and then drawn.

Shapes are many and small. To project them together costs one matrix product instead of a hundred,
which is what makes several hundred faces a second possible.
"""

from functools import lru_cache

import cv2
import numpy as np

from .camera import Camera, depth

_SHIFT = 4  # OpenCV draws at sixteenths of a pixel


@lru_cache(maxsize=128)
def _spline_matrix(count: int, steps: int, closed: bool) -> np.ndarray:
    """Catmull-Rom interpolation is linear in its points: matrix of shape (samples, count)."""
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
    """Smooth curve through ``points`` (N, 2), ``steps`` samples from one to the next."""
    return _spline_matrix(len(points), steps, closed) @ points


@lru_cache(maxsize=16)
def _circle(count: int) -> np.ndarray:
    angle = np.linspace(0, 2 * np.pi, count, endpoint=False)
    return np.stack([np.cos(angle), np.sin(angle)], 1)


def ellipse(x: float, y: float, rx: float, ry: float, count: int = 24) -> np.ndarray:
    """Outline of an ellipse, (count, 2)."""
    circle = _circle(count)
    return columns(circle[:, 0] * rx + x, circle[:, 1] * ry + y)


def columns(x, y) -> np.ndarray:
    """Points (N, 2) from their coordinates (N,); a quick ``np.stack``."""
    points = np.empty((len(x), 2))
    points[:, 0], points[:, 1] = x, y
    return points


class Drawing:
    """Shapes to be drawn, the first one at the bottom.

    A shape lies on the surface of the face unless it says otherwise: ``z`` lifts it off the
    surface, ``flat`` takes ``z`` as its depth. A colour is a BGR array.
    """

    def __init__(self):
        self._points = []
        self._heights = []
        self._flat = []
        self._counts = []
        self._styles = []  # (colour, width or None, closed)

    def fill(self, points, colour, z=0.0, flat=False):
        """Fill the polygon ``points`` (N, 2) with a BGR ``colour``."""
        self._add(points, colour, None, True, z, flat)

    def line(self, points, colour, width, z=0.0, flat=False, closed=False):
        """Draw a line of ``width`` face units through ``points`` (N, 2)."""
        self._add(points, colour, width, closed, z, flat)

    def _add(self, points, colour, width, closed, z, flat):
        self._points.append(points)
        self._heights.append(z)
        self._flat.append(flat)
        self._counts.append(len(points))
        self._styles.append((colour.tolist(), width, closed))

    def render(self, image: np.ndarray, camera: Camera) -> None:
        """Draw everything on ``image`` (S, S, 3), uint8, in place."""
        if not self._counts:
            return
        size = image.shape[0]
        linear, offset = camera.matrix(size)
        points = np.concatenate(self._points)
        height = np.repeat(self._heights, self._counts)
        height += np.where(np.repeat(self._flat, self._counts), 0.0, depth(points))
        pixels = points @ linear[:2] + height[:, None] * linear[2] + offset
        pixels = np.rint(pixels * (1 << _SHIFT)).astype(np.int32)
        zoom = camera.zoom(size)
        start = 0
        for count, (colour, width, closed) in zip(self._counts, self._styles, strict=True):
            outline = pixels[start : start + count]
            start += count
            if width is None:
                cv2.fillPoly(image, [outline], colour, cv2.LINE_AA, _SHIFT)
            else:
                thickness = max(1, round(width * zoom))
                cv2.polylines(image, [outline], closed, colour, thickness, cv2.LINE_AA, _SHIFT)


def project(points: np.ndarray, camera: Camera, size: int, z: np.ndarray) -> np.ndarray:
    """Pixels (N, 2) of ``points`` (N, 2) that stand ``z`` (N,) above the surface of the face."""
    linear, offset = camera.matrix(size)
    height = z + depth(points)
    return points @ linear[:2] + height[:, None] * linear[2] + offset
