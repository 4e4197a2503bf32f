# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Metrics for signed numbers in a range, such as valence and arousal.

All functions take the true and the predicted numbers, ``(N,)`` each, and compute in float64.
"""

import numpy as np


def concordance_correlation(true: np.ndarray, pred: np.ndarray) -> float:
    """Return the concordance correlation coefficient (Lin, Biometrics 1989).

    ``2 cov(x, y) / (var(x) + var(y) + (mean(x) - mean(y))^2)``, with moments divided by N. Unlike
    Pearson's coefficient, it is 1 only if the predictions are equal to the true numbers. It is 0 if
    all true and predicted numbers are the same number.
    """
    true, pred = np.asarray(true, float), np.asarray(pred, float)
    spread = _covariance(true, true) + _covariance(pred, pred)
    total = spread + (true.mean() - pred.mean()) ** 2
    return float(2 * _covariance(true, pred) / total) if total else 0.0


def pearson_correlation(true: np.ndarray, pred: np.ndarray) -> float:
    """Return Pearson's correlation coefficient; 0 if the true or the predicted are constant."""
    true, pred = np.asarray(true, float), np.asarray(pred, float)
    scale = np.sqrt(_covariance(true, true)) * np.sqrt(_covariance(pred, pred))
    return float(_covariance(true, pred) / scale) if scale else 0.0


def root_mean_square_error(true: np.ndarray, pred: np.ndarray) -> float:
    """Return the root of the mean squared error, in the unit of the numbers."""
    error = np.asarray(pred, float) - np.asarray(true, float)
    return float(np.sqrt(np.mean(error**2)))


def sign_agreement(true: np.ndarray, pred: np.ndarray) -> float:
    """Return the share of predictions with the correct sign, 0 to 1 (SAGR, AffectNet paper, 2019).

    There are three signs: 0 only agrees with 0.
    """
    return float(np.mean(np.sign(true) == np.sign(pred)))


def _covariance(x: np.ndarray, y: np.ndarray) -> float:
    # Exactly 0 for constants, in spite of the rounding of their mean.
    return np.mean((x - x.mean()) * (y - y.mean())) if np.ptp(x) and np.ptp(y) else 0.0
