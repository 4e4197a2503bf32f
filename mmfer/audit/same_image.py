# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Decide whether two thumbnails show the same image, or only similar faces.

Aligned faces have eyes, nose and mouth at the same positions, and portraits of one photo session
may differ only by a smile. Their correlation over the whole image is .9 or higher, so it does not
separate them from copies. Copies of an image agree *everywhere*. Therefore the two thumbnails are
registered, and the lowest local correlations decide.
"""

import cv2
import numpy as np

#: Width and height of the thumbnails, pixels.
SIZE = 64

# Coarse search at 48 pixels, over scales from 15 % smaller to 17 % larger: template matching of the
# inner part of one image in the other, after high-pass filtering.
_COARSE, _INNER, _REACH = 48, 34, 5
_SCALES = np.exp(np.linspace(-0.16, 0.16, 9))
_ENOUGH = 0.85  # copies of an image are .9 and above

_WINDOW = 4.0  # standard deviation of the Gaussian window of local correlation, pixels
# Added to covariance and variances, so that windows with only noise count as equal.
_NOISE = 0.2**2
_WORST = 5  # percentile of the local correlations that is the result
_CLIPPED = 8  # gray values this close to black or white may be clipped by a change of brightness
_OVERLAP = 0.3  # minimum share of usable pixels


def similarity(first: np.ndarray, second: np.ndarray) -> float:
    """Compute the similarity of two thumbnails in the regions where they differ most, 0 to 1.

    The first is registered to the second by an affine transform. Gain and offset of brightness have
    no effect. The result is the 5th percentile of the local correlations (Gaussian window of 4
    pixels).

    Args:
        first (np.ndarray): (64, 64) uint8, gray.
        second (np.ndarray): (64, 64) uint8, gray.

    Returns:
        .975 or more for copies of an image (docs/audit.md has the figures); 0 if the coarse search
        finds no match.
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
        # Almost all black or white, as in drawings: use these pixels, too.
        usable = inside
    if usable.mean() < _OVERLAP:
        return 0.0
    return max(float(np.percentile(_local_correlation(moved, smooth[1], usable), _WORST)), 0.0)


def _lay_over(first: np.ndarray, second: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the best correlation over scales and shifts, and its map from second to first."""
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
    """Warp ``first`` onto ``second``; also return a mask (64, 64) of its pixels, 0 or 1."""
    stop = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 30, 1e-4)
    try:
        _, matrix = cv2.findTransformECC(second, first, start, cv2.MOTION_AFFINE, stop, None, 5)
    except cv2.error:  # no convergence: the images are different
        matrix = start
    moved = cv2.warpAffine(
        first, matrix, (SIZE, SIZE), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    )
    inside = cv2.warpAffine(
        np.ones_like(first), matrix, (SIZE, SIZE), flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
    )
    return moved, cv2.erode(inside, np.ones((3, 3)), borderValue=0)


def _local_correlation(first: np.ndarray, second: np.ndarray, usable: np.ndarray) -> np.ndarray:
    """Compute the correlation within a window around each usable pixel: (n,)."""

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
