# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Metrics for facial landmarks. Points are (x, y) in pixels; normalized errors are in percent."""

import numpy as np

#: The outer corners of the eyes among WFLW's 98 points.
OUTER_EYE_CORNERS = (60, 72)


def normalized_mean_error(
    pred: np.ndarray, truth: np.ndarray, corners: tuple[int, int] = OUTER_EYE_CORNERS
) -> np.ndarray:
    """Return the mean distance of points to the ground truth, over the inter-ocular distance.

    Args:
        pred (np.ndarray): Predicted points ``(N, P, 2)``.
        truth (np.ndarray): True points ``(N, P, 2)``, also for the inter-ocular distance.
        corners (tuple[int, int]): Indices of the outer eye corners. Defaults to (60, 72), those of
            WFLW.

    Returns:
        NME per face, ``(N,)``, in percent. Infinite or NaN if the eye corners coincide.
    """
    pred, truth = np.asarray(pred, np.float64), np.asarray(truth, np.float64)
    distances = np.linalg.norm(pred - truth, axis=-1).mean(axis=-1)
    left, right = corners
    eyes = np.linalg.norm(truth[:, left] - truth[:, right], axis=-1)
    with np.errstate(divide='ignore', invalid='ignore'):
        return 100 * distances / eyes


def failure_rate(nme: np.ndarray, threshold: float = 10.0) -> float:
    """Return the share of faces with an NME above ``threshold`` percent or NaN, in percent."""
    return 100 * float(np.mean(~(np.asarray(nme) <= threshold)))


def area_under_curve(nme: np.ndarray, threshold: float = 10.0) -> float:
    """Return the area under the cumulative error distribution up to ``threshold``, in [0, 1].

    The share of faces with an error of at most e is a step function of e, so the area is exactly
    the mean of ``max(0, 1 - nme / threshold)``; no grid of errors is needed.
    """
    return float(np.mean(np.maximum(0, 1 - np.asarray(nme) / threshold)))
