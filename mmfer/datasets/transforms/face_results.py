# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Shared parts of the transforms: update of a sample, checks of arguments."""

from collections.abc import Sequence

import numpy as np

from .face_geometry import chain, move_box, move_points

BORDERS = ('constant', 'replicate')


def put_image(results: dict, image: np.ndarray, matrix: np.ndarray) -> dict:
    """Replace the image of a sample and move its landmarks and box by the same map.

    Sets ``img`` and ``img_shape`` (height, width), moves ``gt_landmarks`` and ``face_box`` if
    present, and updates ``warp_matrix``, float64 (2, 3), the map from the loaded image to the
    current one. Points may end up outside of the image.

    Args:
        results (dict): The sample. Its arrays are not modified in place.
        image (np.ndarray): The new image.
        matrix (np.ndarray): The map (2, 3) from the old to the new image, see
            :mod:`.face_geometry`.

    Returns:
        ``results``.
    """
    results['img'] = image
    results['img_shape'] = image.shape[:2]
    before = results.get('warp_matrix')
    results['warp_matrix'] = matrix if before is None else chain(before, matrix)
    for key, move in (('gt_landmarks', move_points), ('face_box', move_box)):
        if results.get(key) is not None:
            results[key] = move(results[key], matrix)
    return results


def check_border(owner: object, border: str, fill: int | Sequence[int]) -> tuple[int, int, int]:
    """Check ``border`` and ``fill`` in the name of ``owner``; return ``fill`` as BGR."""
    name = type(owner).__name__
    if border not in BORDERS:
        raise ValueError(f'{name}: border must be one of {BORDERS}, not {border!r}')
    color = tuple(fill) if isinstance(fill, Sequence) else (fill,) * 3
    if len(color) != 3 or not all(isinstance(c, int) and 0 <= c <= 255 for c in color):
        raise ValueError(
            f'{name}: fill must be a whole number from 0 to 255 or three (BGR), not {fill!r}'
        )
    return color


def check_probability(owner: object, prob: float) -> float:
    """Return ``prob``, or raise a ValueError in the name of ``owner``."""
    if not 0 <= prob <= 1:
        raise ValueError(f'{type(owner).__name__}: prob must be in [0, 1], not {prob!r}')
    return prob


def check_size(owner: object, size: int) -> int:
    """Return ``size``, or raise a ValueError in the name of ``owner``."""
    if isinstance(size, bool) or not isinstance(size, int) or size < 1:
        raise ValueError(
            f'{type(owner).__name__}: size must be a whole number of pixels, 1 or more, '
            f'not {size!r}'
        )
    return size
