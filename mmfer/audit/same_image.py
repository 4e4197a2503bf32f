# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Decide whether two thumbnails show one and the same image, or only faces that look alike.

Aligned faces have eyes, nose and mouth at the same places, and portraits of one sitting differ by
hardly more than a smile. As whole images they correlate by .9 and more, so correlation of the
whole says little. Copies of an image, however, agree *everywhere*: they are laid over each other
exactly, and what counts is the agreement where it is worst.
"""

import cv2
import numpy as np

#: Width and height of the thumbnails, pixels.
SIZE = 64

# First look, at 48 pixels and for 15 % smaller to larger: the inner part of one image, whose
# coarse shading is taken away, is searched in the other, which differs by crop and border.
_COARSE, _INNER, _REACH = 48, 34, 5
_SCALES = np.exp(np.linspace(-0.16, 0.16, 9))
_ENOUGH = 0.85  # copies of an image are .9 and above

_WINDOW = 4.0  # standard deviation of the Gaussian window of local correlation, pixels
# Windows with much less contrast than the image agree: there is only noise to disagree on.
_NOISE = 0.2**2
_WORST = 5  # the percentile of local correlations that counts
_CLIPPED = 8  # gray values so near to black or white may have been cut off by a change of light
_OVERLAP = 0.3  # share of the image that must be left to compare


def similarity(first: np.ndarray, second: np.ndarray) -> float:
    """How well two thumbnails agree where they agree least, from 0 to 1.

    The second is laid over the first by an affine map, gain and offset of the light are free. The
    result is the 5th percentile of the local correlations (Gaussian window of 4 pixels).

    Args:
        first (np.ndarray): (64, 64) uint8, gray.
        second (np.ndarray): The same.

    Returns:
        .975 and more for copies of an image (docs/audit.md has the figures); 0 for images that
        differ at the first look.
    """
    correlation, start = _lay_over(first, second)
    if correlation < _ENOUGH:
        return 0.0
    smooth = [cv2.GaussianBlur(image.astype(np.float32), (0, 0), 1.0) for image in (first, second)]
    moved, inside = _align(*smooth, start)
    usable = inside.copy()
    for image in (moved, smooth[1]):
        usable *= (image > _CLIPPED) & (image < 255 - _CLIPPED)
    if usable.mean() < _OVERLAP:
        # All black or white but for little, as drawings are: then that is what there is to see.
        usable = inside
    if usable.mean() < _OVERLAP:
        return 0.0
    return max(float(np.percentile(_local_correlation(moved, smooth[1], usable), _WORST)), 0.0)


def _lay_over(first: np.ndarray, second: np.ndarray) -> tuple[float, np.ndarray]:
    """Best correlation over scales and shifts, and the map from ``second`` to ``first`` there."""
    pattern, scene = (_details(image) for image in (first, second))
    best = (-1.0, 1.0, 0, 0)
    low = (_COARSE - _INNER) // 2 - _REACH
    for scale in _SCALES:
        size = round(_COARSE * scale)
        scaled = cv2.resize(pattern, (size, size), interpolation=cv2.INTER_LINEAR)
        border = (size - _INNER) // 2
        template = scaled[border : border + _INNER, border : border + _INNER]
        found = cv2.matchTemplate(scene, template, cv2.TM_CCOEFF_NORMED)
        found = found[low : low + 2 * _REACH + 1, low : low + 2 * _REACH + 1]
        y, x = np.unravel_index(np.argmax(found), found.shape)
        best = max(best, (float(found[y, x]), size / _COARSE, int(x) - _REACH, int(y) - _REACH))
    correlation, scale, dx, dy = best
    center, zoom = (SIZE - 1) / 2, SIZE / _COARSE
    shift = [center - (center + d * zoom) / scale for d in (dx, dy)]
    return correlation, np.array([[1 / scale, 0, shift[0]], [0, 1 / scale, shift[1]]], np.float32)


def _details(image: np.ndarray) -> np.ndarray:
    small = cv2.resize(image, (_COARSE, _COARSE), interpolation=cv2.INTER_AREA).astype(np.float32)
    return small - cv2.GaussianBlur(small, (0, 0), _COARSE / 8)


def _align(first: np.ndarray, second: np.ndarray, start: np.ndarray) -> tuple:
    """Move ``first`` onto ``second``; also returns where it then has pixels, (64, 64) 0 or 1."""
    stop = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 30, 1e-4)
    try:
        _, matrix = cv2.findTransformECC(second, first, start, cv2.MOTION_AFFINE, stop, None, 5)
    except cv2.error:  # it does not converge: these are different images
        matrix = start
    moved = cv2.warpAffine(
        first, matrix, (SIZE, SIZE), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    )
    inside = cv2.warpAffine(
        np.ones_like(first), matrix, (SIZE, SIZE), flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
    )
    return moved, cv2.erode(inside, np.ones((3, 3)), borderValue=0)


def _local_correlation(first: np.ndarray, second: np.ndarray, usable: np.ndarray) -> np.ndarray:
    """Correlation within a window around each usable pixel: (n,)."""

    def mean(values: np.ndarray) -> np.ndarray:
        return cv2.GaussianBlur(values * usable, (0, 0), _WINDOW) / weight

    def standardize(image: np.ndarray) -> np.ndarray:
        values = image[usable > 0].astype(np.float64)
        return ((image - values.mean()) / max(values.std(), 1e-3)).astype(np.float32)

    weight = cv2.GaussianBlur(usable, (0, 0), _WINDOW) + 1e-6
    x, y = standardize(first), standardize(second)
    mean_x, mean_y = mean(x), mean(y)
    covariance = mean(x * y) - mean_x * mean_y
    variances = [np.maximum(mean(p * p) - m * m, 0) for p, m in ((x, mean_x), (y, mean_y))]
    correlation = (covariance + _NOISE) / np.sqrt((variances[0] + _NOISE) * (variances[1] + _NOISE))
    return correlation[usable > 0]
