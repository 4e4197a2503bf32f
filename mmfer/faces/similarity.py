# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import numpy as np


def similarity_map(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The turn, zoom and shift that bring points to others with the least squared error.

    Umeyama (1991), ``min sum |z R p + t - q|^2`` over zooms z > 0, rotations R and shifts t. In the
    plane his singular value decomposition is not needed: ``z R`` is ``[[a, -b], [b, a]]``, in which
    the error is quadratic, and a and b follow at once. It never mirrors.

    Args:
        source (np.ndarray): Points p, (N, 2) with N >= 2.
        target (np.ndarray): Points q, (N, 2).

    Returns:
        The map (2, 3), float64.

    Raises:
        ValueError: Shapes differ or are others, numbers are not finite, or points have no best
            map: all of ``source`` or of ``target`` coincide, or one mirrors the other.
    """
    source, target = np.asarray(source, np.float64), np.asarray(target, np.float64)
    if source.shape != target.shape or source.ndim != 2 or source.shape[1] != 2 or len(source) < 2:
        raise ValueError(
            f'a similarity map needs two times (N, 2) points, N >= 2: {source.shape}, '
            f'{target.shape}'
        )
    if not (np.isfinite(source).all() and np.isfinite(target).all()):
        raise ValueError('a similarity map needs finite points')
    source_mean, target_mean = source.mean(axis=0), target.mean(axis=0)
    p, q = source - source_mean, target - target_mean
    # As complex numbers: conj(p) q, whose length is the zoom and whose argument is the turn.
    a = (p * q).sum()
    b = (p[:, 0] * q[:, 1] - p[:, 1] * q[:, 0]).sum()
    spread = np.sqrt((p**2).sum() * (q**2).sum())
    if np.hypot(a, b) <= 1e-9 * spread:
        raise ValueError(
            f'no similarity map brings {source.tolist()} near {target.tolist()}: they coincide, or '
            'one is the mirror image of the other'
        )
    linear = np.array([[a, -b], [b, a]]) / (p**2).sum()
    return np.column_stack([linear, target_mean - linear @ source_mean])
