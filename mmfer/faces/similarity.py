# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import numpy as np


def similarity_map(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return the rotation, scale and translation between two sets of points, by least squares.

    Umeyama (1991), ``min sum |z R p + t - q|^2`` over scales z > 0, rotations R and translations t.
    In 2D his singular value decomposition is not needed: ``z R`` is ``[[a, -b], [b, a]]``, the
    error is quadratic in a and b, and both have a closed form. The map never mirrors.

    Args:
        source (np.ndarray): Points p, (N, 2) with N >= 2.
        target (np.ndarray): Points q, (N, 2).

    Returns:
        The map (2, 3), float64.

    Raises:
        ValueError: The shapes are wrong or differ, numbers are not finite, or there is no best
            map: all points of ``source`` or of ``target`` coincide, or one mirrors the other.
    """
    source, target = np.asarray(source, np.float64), np.asarray(target, np.float64)
    if source.shape != target.shape or source.ndim != 2 or source.shape[1] != 2 or len(source) < 2:
        raise ValueError(
            f'a similarity map needs two arrays (N, 2) of points, N >= 2, not {source.shape}, '
            f'{target.shape}'
        )
    if not (np.isfinite(source).all() and np.isfinite(target).all()):
        raise ValueError('a similarity map needs finite points')
    source_mean, target_mean = source.mean(axis=0), target.mean(axis=0)
    p, q = source - source_mean, target - target_mean
    # As complex numbers: conj(p) q, whose modulus is the scale and whose argument is the rotation.
    a = (p * q).sum()
    b = (p[:, 0] * q[:, 1] - p[:, 1] * q[:, 0]).sum()
    spread = np.sqrt((p**2).sum() * (q**2).sum())
    if np.hypot(a, b) <= 1e-9 * spread:
        raise ValueError(
            f'there is no similarity map from {source.tolist()} to {target.tolist()}: the points '
            'coincide, or one set is the mirror image of the other'
        )
    linear = np.array([[a, -b], [b, a]]) / (p**2).sum()
    return np.column_stack([linear, target_mean - linear @ source_mean])
