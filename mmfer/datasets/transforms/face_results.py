# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""What the transforms of this package do with the sample of a pipeline."""

from collections.abc import Sequence

import numpy as np

from .face_geometry import chain, move_box, move_points

BORDERS = ('constant', 'replicate')


def put_image(results: dict, image: np.ndarray, matrix: np.ndarray) -> dict:
    """Replace the image by ``image`` and move what belongs to it by the same map.

    Sets ``img`` and ``img_shape`` (height, width); moves ``gt_landmarks`` and ``face_box`` where
    there are; and keeps account in ``warp_matrix``, float64 (2, 3), of the way from the pixels of
    the image as it was loaded to those of the current one. Points may come to lie outside.

    Args:
        results (dict): The sample. Its arrays are not written into.
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
    """Refuse a wrong ``border`` or ``fill`` in the name of ``owner``; return BGR."""
    name = type(owner).__name__
    if border not in BORDERS:
        raise ValueError(f'{name}: border must be one of {BORDERS}, not {border!r}')
    color = tuple(fill) if isinstance(fill, Sequence) else (fill,) * 3
    if len(color) != 3 or not all(isinstance(c, int) and 0 <= c <= 255 for c in color):
        raise ValueError(
            f'{name}: fill must be a whole number of 0 to 255 or three of them (BGR), not {fill!r}'
        )
    return color


def check_probability(owner: object, prob: float) -> float:
    """Refuse a ``prob`` that is none in the name of ``owner``."""
    if not 0 <= prob <= 1:
        raise ValueError(f'{type(owner).__name__}: prob must be in [0, 1], not {prob!r}')
    return prob


def check_size(owner: object, size: int) -> int:
    """Refuse a ``size`` that is no positive number of pixels in the name of ``owner``."""
    if isinstance(size, bool) or not isinstance(size, int) or size < 1:
        raise ValueError(
            f'{type(owner).__name__}: size must be a whole number of pixels, 1 or more, '
            f'not {size!r}'
        )
    return size
