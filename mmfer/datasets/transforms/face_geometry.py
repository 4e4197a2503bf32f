# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Affine maps for pictures, points and boxes.

One convention for all of them. Whole numbers are the centres of pixels and (0, 0) is the centre of
the first, so a picture of W x H pixels spans -0.5 to W - 0.5 and -0.5 to H - 0.5, as for OpenCV's
``warpAffine``. A map is a float64 matrix (2, 3) that takes (x, y, 1) before a step to (x, y) after
it. Sizes are (width, height), angles are degrees and positive clockwise as seen.

mmcv's ``Resize`` and ``RandomFlip`` move pictures by this convention but their key points by
another one (x * zoom, width - x): (zoom - 1) / 2 pixels and one pixel beside the picture.
"""

from typing import NamedTuple

import cv2
import numpy as np


class Square(NamedTuple):
    """An upright square part of a picture, which may reach beyond it."""

    x: float  #: Centre, pixels.
    y: float
    side: float  #: Distance of the outer edges, pixels; a picture of W x W has a side of W.


def bounding_box(points: np.ndarray) -> np.ndarray:
    """Smallest box around ``points`` (N, 2): x1, y1, x2, y2, float32 (4,)."""
    return np.concatenate([points.min(axis=0), points.max(axis=0)]).astype(np.float32)


def picture_box(width: int, height: int) -> np.ndarray:
    """Outer edges of a picture: x1, y1, x2, y2, float32 (4,)."""
    return np.array([-0.5, -0.5, width - 0.5, height - 0.5], np.float32)


def move_points(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Map ``points`` (N, 2) and keep their type; computed in float64."""
    return (points @ matrix[:, :2].T + matrix[:, 2]).astype(points.dtype)


def box_corners(box: np.ndarray) -> np.ndarray:
    """Corners of ``box`` (4,) in turn, clockwise from the upper left one: (4, 2)."""
    x1, y1, x2, y2 = box
    return np.array([(x1, y1), (x2, y1), (x2, y2), (x1, y2)])


def move_box(box: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Smallest upright box around the mapped ``box`` (4,), which is larger after a rotation."""
    return bounding_box(move_points(box_corners(box), matrix))


def chain(first: np.ndarray, then: np.ndarray) -> np.ndarray:
    """The map that does ``first`` and ``then`` after it."""
    return np.hstack([then[:, :2] @ first[:, :2], then[:, :2] @ first[:, 2:] + then[:, 2:]])


def invert(matrix: np.ndarray) -> np.ndarray:
    """The map back."""
    linear = np.linalg.inv(matrix[:, :2])
    return np.hstack([linear, -linear @ matrix[:, 2:]])


def resize_map(before: tuple[int, int], after: tuple[int, int]) -> np.ndarray:
    """Resize a whole picture: outer edges come to lie on outer edges, as in ``cv2.resize``."""
    x, y = np.divide(after, before)
    return np.array([[x, 0, (x - 1) / 2], [0, y, (y - 1) / 2]])


def flip_map(width: int) -> np.ndarray:
    """Mirror a picture, left and right; the first column becomes the last, ``width - 1``."""
    return np.array([[-1.0, 0, width - 1], [0, 1, 0]])


def rotation_map(angle: float, width: int, height: int) -> np.ndarray:
    """Turn a picture clockwise about its middle."""
    middle = Square((width - 1) / 2, (height - 1) / 2, 1)
    turned = crop_map(middle, 1, angle)
    turned[:, 2] += middle.x, middle.y
    return turned


def crop_map(square: Square, size: int, angle: float = 0.0) -> np.ndarray:
    """Fill a picture of ``size`` x ``size`` with ``square``, whose content turns clockwise."""
    zoom = size / square.side
    cosine, sine = zoom * np.cos(np.radians(angle)), zoom * np.sin(np.radians(angle))
    linear = np.array([[cosine, -sine], [sine, cosine]])
    offset = (size - 1) / 2 - linear @ (square.x, square.y)
    return np.column_stack([linear, offset])


def widen(box: np.ndarray, scale: float, shift: tuple[float, float]) -> Square:
    """The square about a face.

    Args:
        box: x1, y1, x2, y2 of the face, (4,).
        scale: Side of the square, in longer sides of the box.
        shift: Displacement (x, y) of its centre from the box's, in longer sides of the box;
            negative y is up.
    """
    x1, y1, x2, y2 = np.asarray(box, np.float64).tolist()
    longer = max(x2 - x1, y2 - y1)
    return Square(
        (x1 + x2) / 2 + shift[0] * longer, (y1 + y2) / 2 + shift[1] * longer, scale * longer
    )


def whole_pixels(square: Square) -> Square:
    """The nearest square whose edges run between pixels, at least one pixel wide."""
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
    """Map a picture, with each pixel the mean of the area that falls into it.

    ``warpAffine`` alone looks at four neighbours, which aliases when a picture shrinks. Here it
    draws a picture that is a whole number of times larger, at least as fine as the source, whose
    blocks are then averaged. A much larger source is averaged beforehand too, which is cheaper.
    Where nothing is resampled (moves by whole pixels) pixels are copied bit for bit.

    Args:
        image: (H, W, 3) or (H, W), uint8.
        matrix: The map (2, 3).
        size: Width and height of the result.
        border: What lies outside the picture: ``'constant'`` for ``fill``, ``'replicate'`` for the
            nearest pixel of its edge.
        fill: Colour in BGR, 0 to 255.

    Returns:
        The picture, (height, width, 3) or (height, width).
    """
    shrinking = 1 / np.linalg.svd(matrix[:, :2], compute_uv=False).min()
    # Not all of it: a rest of 1.5 or more still averages over places between pixels. Measured, this
    # is as near to the true means as Pillow's antialiased resizing, in half of its time or less.
    ahead = min(int(shrinking / 1.5), *image.shape[:2])
    if ahead > 1:
        # Whole blocks only, for which OpenCV is quick. What is left over at the right and the lower
        # edge of the picture is less than a pixel of the result.
        height, width = (length - length % ahead for length in image.shape[:2])
        before, after = (width, height), (width // ahead, height // ahead)
        image = cv2.resize(image[:height, :width], after, interpolation=cv2.INTER_AREA)
        return warp(image, chain(invert(resize_map(before, after)), matrix), size, border, fill)
    times = max(int(np.ceil(shrinking - 1e-6)), 1)
    fine_size = (size[0] * times, size[1] * times)
    fine_map = chain(matrix, resize_map(size, fine_size))
    coloured = image.ndim == 3
    if coloured:
        # OpenCV maps four channels in a third of the time that three take, to the same values.
        image = cv2.cvtColor(image, cv2.COLOR_BGR2BGRA)
        fill = (*fill, 0)
    # Replicated in any case: a constant border would shine half a pixel into the picture.
    fine = cv2.warpAffine(
        image, fine_map, fine_size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    if border == 'constant':
        fine = _fill_outside(fine, image.shape, fine_map, fill)
    if times > 1:
        fine = cv2.resize(fine, size, interpolation=cv2.INTER_AREA)
    return cv2.cvtColor(fine, cv2.COLOR_BGRA2BGR) if coloured else fine


def _fill_outside(
    canvas: np.ndarray, shape: tuple[int, ...], matrix: np.ndarray, fill: tuple[int, int, int]
) -> np.ndarray:
    """Fill the pixels of ``canvas`` whose centres a picture of ``shape`` does not reach."""
    size = canvas.shape[1::-1]
    edges = picture_box(shape[1], shape[0])
    # A picture is convex: where the canvas' corners come from it, all of the canvas does.
    corners = move_points(box_corners((0, 0, size[0] - 1, size[1] - 1)), invert(matrix))
    if (corners >= edges[:2]).all() and (corners <= edges[2:]).all():
        return canvas
    # The nearest pixel is one of the picture's exactly where its edges are not crossed.
    inside = cv2.warpAffine(np.ones(shape[:2], np.uint8), matrix, size, flags=cv2.INTER_NEAREST)
    filled = cv2.rectangle(np.empty_like(canvas), (0, 0), size, fill, cv2.FILLED)
    return cv2.copyTo(canvas, inside, filled)
