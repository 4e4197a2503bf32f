# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Affine maps for images, points and boxes.

All functions use one convention. Integers are pixel centers and (0, 0) is the center of the first
pixel, so an image of W x H pixels spans -0.5 to W - 0.5 and -0.5 to H - 0.5, as in OpenCV's
``warpAffine``. A map is a float64 matrix (2, 3) that maps (x, y, 1) before a step to (x, y) after
it. Sizes are (width, height), angles are degrees, and positive angles are clockwise on the screen.

mmcv's ``Resize`` and ``RandomFlip`` use this convention for images but another one for key points
(x * zoom, width - x), which is off by (zoom - 1) / 2 pixels and by one pixel.
"""

import math
from typing import NamedTuple

import cv2
import numpy as np


class Square(NamedTuple):
    """An upright square region of an image, which may extend beyond it."""

    x: float  #: Center, pixels.
    y: float
    side: float  #: Distance between outer edges, pixels; an image of W x W has side W.


def bounding_box(points: np.ndarray) -> np.ndarray:
    """Return the smallest box around ``points`` (N, 2): x1, y1, x2, y2, float32 (4,)."""
    return np.concatenate([points.min(axis=0), points.max(axis=0)]).astype(np.float32)


def image_box(width: int, height: int) -> np.ndarray:
    """Return the outer edges of an image: x1, y1, x2, y2, float32 (4,)."""
    return np.array([-0.5, -0.5, width - 0.5, height - 0.5], np.float32)


def move_points(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Map ``points`` (N, 2) in float64 and keep their dtype."""
    return (points @ matrix[:, :2].T + matrix[:, 2]).astype(points.dtype)


def box_corners(box: np.ndarray) -> np.ndarray:
    """Return the corners of ``box`` (4,), clockwise from the upper left one: (4, 2)."""
    x1, y1, x2, y2 = box
    return np.array([(x1, y1), (x2, y1), (x2, y2), (x1, y2)])


def move_box(box: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Return the smallest upright box around the mapped ``box`` (4,); rotation enlarges it."""
    return bounding_box(move_points(box_corners(box), matrix))


def chain(first: np.ndarray, then: np.ndarray) -> np.ndarray:
    """Return the map that applies ``first``, then ``then``."""
    both = then[:, :2] @ first
    both[:, 2] += then[:, 2]
    return both


def invert(matrix: np.ndarray) -> np.ndarray:
    """Return the inverse map; all zeros if it does not exist."""
    return cv2.invertAffineTransform(matrix)


def resize_map(before: tuple[int, int], after: tuple[int, int]) -> np.ndarray:
    """Return the map that resizes an image, edges to edges, as in ``cv2.resize``."""
    x, y = np.divide(after, before)
    return np.array([[x, 0, (x - 1) / 2], [0, y, (y - 1) / 2]])


def flip_map(width: int) -> np.ndarray:
    """Return the map that flips an image horizontally; column 0 becomes ``width - 1``."""
    return np.array([[-1.0, 0, width - 1], [0, 1, 0]])


def rotation_map(angle: float, width: int, height: int) -> np.ndarray:
    """Return the map that rotates an image clockwise about its center."""
    middle = Square((width - 1) / 2, (height - 1) / 2, 1)
    turned = crop_map(middle, 1, angle)
    turned[:, 2] += middle.x, middle.y
    return turned


def crop_map(square: Square, size: int, angle: float = 0.0) -> np.ndarray:
    """Return the map from ``square`` to an image of ``size`` x ``size``, rotated clockwise."""
    zoom = size / square.side
    cosine, sine = zoom * math.cos(math.radians(angle)), zoom * math.sin(math.radians(angle))
    middle = (size - 1) / 2
    x = middle - cosine * square.x + sine * square.y
    y = middle - sine * square.x - cosine * square.y
    return np.array([[cosine, -sine, x], [sine, cosine, y]])


def widen(box: np.ndarray, scale: float, shift: tuple[float, float]) -> Square:
    """Return the square around a face.

    Args:
        box (np.ndarray): x1, y1, x2, y2 of the face, (4,).
        scale (float): Side of the square, in units of the longer side of the box.
        shift (tuple[float, float]): Displacement (x, y) of its center from that of the box, in the
            same unit; negative y is up.
    """
    x1, y1, x2, y2 = np.asarray(box, np.float64).tolist()
    longer = max(x2 - x1, y2 - y1)
    return Square(
        (x1 + x2) / 2 + shift[0] * longer, (y1 + y2) / 2 + shift[1] * longer, scale * longer
    )


def whole_pixels(square: Square) -> Square:
    """Return the nearest square with edges between pixels, at least one pixel wide."""
    side = max(round(square.side), 1)
    left, top = (round(middle - (side - 1) / 2) for middle in square[:2])
    return Square(left + (side - 1) / 2, top + (side - 1) / 2, side)


def warp(
    image: np.ndarray,
    matrix: np.ndarray,
    size: tuple[int, int],
    border: str = 'constant',
    fill: tuple[int, int, int] = (0, 0, 0),
) -> np.ndarray:
    """Map an image so that each pixel is approximately the mean of the area that maps to it.

    ``warpAffine`` alone interpolates between four neighbors, that is, over the area of one pixel of
    the source. This is correct unless the image is downscaled. Then the source is first downscaled
    by halving, and smoothed by a filter for the rest. Compared with the true means of white noise,
    the hardest image, the RMS error is at most 0.28 standard deviations for a downscaling factor of
    up to 3, and at most 0.64 beyond. Pillow's antialiased resizing has 0.5 there and ``warpAffine``
    alone 2 and more. If nothing is resampled (shifts by whole pixels), pixels are copied bit for
    bit.

    Args:
        image (np.ndarray): (H, W, 3) or (H, W), uint8.
        matrix (np.ndarray): The map (2, 3).
        size (tuple[int, int]): Width and height of the result.
        border (str): Pixels outside of the image: ``'constant'`` for ``fill``, ``'replicate'`` for
            the nearest edge pixel. Defaults to ``'constant'``.
        fill (tuple[int, int, int]): Color in BGR, 0 to 255. A pixel is filled if its center is
            outside. Defaults to black.

    Returns:
        The image, (height, width, 3) or (height, width).
    """
    back = invert(matrix)
    (a, b, x), (c, d, y) = back.tolist()
    left, top = round(x), round(y)
    inside = min(left, top, image.shape[1] - left - size[0], image.shape[0] - top - size[1]) >= 0
    if inside and max(map(abs, (a - 1, b, c, d - 1, x - left, y - top))) < 1e-6:
        return image[top : top + size[1], left : left + size[0]].copy()
    # The largest singular value: pixels of the image per pixel of the result.
    shrinking = (math.hypot(a + d, b - c) + math.hypot(a - d, b + c)) / 2
    halvings = math.ceil(math.log2(max(shrinking / 3, 1)) - 1e-6)
    halvings = min(halvings, min(image.shape[:2]).bit_length() - 1)
    blocks = 2**halvings
    # Source coordinates of the corner pixels of the result.
    corners = move_points(box_corners((0.0, 0.0, size[0] - 1.0, size[1] - 1.0)), back)
    left, right = _needed_blocks(corners[:, 0], image.shape[1], blocks)
    top, bottom = _needed_blocks(corners[:, 1], image.shape[0], blocks)
    part = image[top * blocks : bottom * blocks, left * blocks : right * blocks]
    for _ in range(halvings):  # OpenCV averages 2 x 2 pixels five times as fast as 3 x 3
        half = (part.shape[1] // 2, part.shape[0] // 2)
        part = cv2.resize(part, half, interpolation=cv2.INTER_AREA)
    part = _smooth(part, shrinking / blocks)
    colored = image.ndim == 3
    if colored:
        # OpenCV maps four channels three times as fast as three, with equal results.
        part = cv2.cvtColor(part, cv2.COLOR_BGR2BGRA)
    # The center of the part's pixel 0 is that of the first `blocks` pixels.
    offset = 0.5 / blocks - 0.5
    to_part = np.array([[1 / blocks, 0, offset - left], [0, 1 / blocks, offset - top]])
    # Always replicate: a constant border would be blended half a pixel into the image.
    result = cv2.warpAffine(
        part,
        chain(back, to_part),
        size,
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    edges = image_box(*image.shape[1::-1])
    # An image is convex: if the result's corners are inside of it, all of the result is.
    if border == 'constant' and not ((corners >= edges[:2]) & (corners <= edges[2:])).all():
        result = _fill_outside(result, image.shape[:2], back, (*fill, 0))
    return cv2.cvtColor(result, cv2.COLOR_BGRA2BGR) if colored else result


def _needed_blocks(ends: np.ndarray, length: int, blocks: int) -> tuple[int, int]:
    """Return the range of pixel blocks that are read: the first one and the one after the last one.

    A face may be a small part of a large image. Blocks start at the image's first pixel. The rest
    at its end is less than a block, and less than a pixel of the result.

    Args:
        ends (np.ndarray): Coordinates in the image that enclose the region.
        length (int): Pixels of the image.
        blocks (int): Pixels per block.
    """
    last = length // blocks - 1
    # One more for interpolation, one for the filter.
    begin = min(max(math.floor(ends.min() / blocks) - 2, 0), last)
    end = min(max(math.ceil(ends.max() / blocks) + 2, begin), last)
    return begin, end + 1


def _smooth(image: np.ndarray, shrinking: float) -> np.ndarray:
    """Smooth an image before bilinear interpolation, for a ``shrinking`` of up to 3.

    The two neighbors of a pixel in a row have the weight with the lowest error against true means,
    to 0.01: none for 1, a third for 3. Up to 1.25 smoothing is skipped: the error of 0.22 is within
    the bound, and crops from images of about the right size are frequent.
    """
    if shrinking <= 1.25:
        return image
    weight = min((shrinking - 1) / (shrinking + 3), 1 / 3)
    taps = np.array([weight, 1 - 2 * weight, weight])
    return cv2.sepFilter2D(image, -1, taps, taps, borderType=cv2.BORDER_REPLICATE)


def _fill_outside(
    result: np.ndarray, shape: tuple[int, int], back: np.ndarray, fill: tuple[int, ...]
) -> np.ndarray:
    """Fill the pixels of ``result`` whose centers are outside of an image of ``shape``."""
    size = result.shape[1::-1]
    # The nearest pixel is inside of the image exactly if its edges are not crossed.
    inside = cv2.warpAffine(
        np.ones(shape, np.uint8), back, size, flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
    )
    filled = cv2.rectangle(np.empty_like(result), (0, 0), size, fill, cv2.FILLED)
    return cv2.copyTo(result, inside, filled)
