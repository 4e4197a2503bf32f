# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""How well numbers with a sign and a range are predicted, such as valence and arousal.

All functions take the true and the predicted numbers, ``(N,)`` each, and compute in float64.
"""

import numpy as np


def concordance_correlation(true: np.ndarray, pred: np.ndarray) -> float:
    """Concordance correlation coefficient (Lin, Biometrics 1989).

    ``2 cov(x, y) / (var(x) + var(y) + (mean(x) - mean(y))^2)``, with moments that are divided by
    N. Unlike Pearson's it is 1 for equal numbers only; 0 where all numbers are the same one.
    """
    true, pred = np.asarray(true, float), np.asarray(pred, float)
    spread = _covariance(true, true) + _covariance(pred, pred)
    total = spread + (true.mean() - pred.mean()) ** 2
    return float(2 * _covariance(true, pred) / total) if total else 0.0


def pearson_correlation(true: np.ndarray, pred: np.ndarray) -> float:
    """Pearson's correlation coefficient; 0 where one of both is constant."""
    true, pred = np.asarray(true, float), np.asarray(pred, float)
    scale = np.sqrt(_covariance(true, true)) * np.sqrt(_covariance(pred, pred))
    return float(_covariance(true, pred) / scale) if scale else 0.0


def root_mean_square_error(true: np.ndarray, pred: np.ndarray) -> float:
    """The root of the mean squared error, in the unit of the numbers."""
    error = np.asarray(pred, float) - np.asarray(true, float)
    return float(np.sqrt(np.mean(error**2)))


def sign_agreement(true: np.ndarray, pred: np.ndarray) -> float:
    """Share, 0 to 1, of predictions of the right sign: SAGR of AffectNet's paper (2019).

    There are three signs: 0 agrees with 0 only.
    """
    return float(np.mean(np.sign(true) == np.sign(pred)))


def _covariance(x: np.ndarray, y: np.ndarray) -> float:
    # Constants have none, not even by the rounding of their mean.
    return np.mean((x - x.mean()) * (y - y.mean())) if np.ptp(x) and np.ptp(y) else 0.0
