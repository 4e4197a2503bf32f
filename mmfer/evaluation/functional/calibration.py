# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Calibration: does the confidence of a classifier match its accuracy? (Guo et al., ICML 2017)."""

from dataclasses import dataclass

import torch
from torch import Tensor

BINS = 15
#: If the inverse temperature would have to be larger than this, no temperature fits.
_STEEPEST = 1e4
_STEPS = 100  # of bisection: more than the bits of a float64


@dataclass(frozen=True)
class Reliability:
    """Statistics of images in bins of equal width, by the score of the predicted class.

    Attributes:
        counts (Tensor): Number of images per bin, ``(bins,)``.
        confidence (Tensor): Mean score per bin, 0 to 1, ``(bins,)`` float64; NaN in empty bins.
        accuracy (Tensor): Share of correct predictions per bin, same range, shape and NaN.
    """

    counts: Tensor
    confidence: Tensor
    accuracy: Tensor

    @property
    def error(self) -> float:
        """Expected calibration error in percent: the mean over all images of the gap between
        confidence and accuracy of their bin.
        """
        gaps = (self.confidence - self.accuracy).abs().nan_to_num()
        return 100 * ((self.counts * gaps).sum() / self.counts.sum()).item()


def reliability(scores: Tensor, labels: Tensor, bins: int = BINS) -> Reliability:
    """Compare confidence and accuracy in each bin.

    Args:
        scores (Tensor): Probabilities ``(N, C)``; each row has sum 1.
        labels (Tensor): The true classes ``(N,)``, 0 to C - 1.
        bins (int): Number of bins of equal width, from 0 to 1. A score on an edge belongs to the
            lower bin. Defaults to 15.

    Raises:
        ValueError: There are no images, or ``bins`` is not positive.
    """
    if not len(scores) or bins < 1:
        raise ValueError(f'a calibration error needs images and bins, not {len(scores)} and {bins}')
    confidence, predicted = scores.double().max(dim=1)
    correct = (predicted == labels).double()
    index = (confidence * bins).ceil().long().sub(1).clamp(0, bins - 1)
    counts = torch.bincount(index, minlength=bins)
    sums = [torch.bincount(index, values, minlength=bins) for values in (confidence, correct)]
    return Reliability(counts, *(total / counts for total in sums))


def expected_calibration_error(scores: Tensor, labels: Tensor, bins: int = BINS) -> float:
    """Return the expected calibration error in percent, see :func:`reliability`; 0 is best."""
    return reliability(scores, labels, bins).error


def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    """Fit the temperature T that minimizes the negative log-likelihood of ``softmax(logits / T)``.

    The negative log-likelihood is convex in 1/T, so its slope has one root. Bisection finds it.

    Args:
        logits (Tensor): Logits ``(N, C)``.
        labels (Tensor): The true classes ``(N,)``.

    Returns:
        T > 0: above 1 if the scores were too high, below 1 if they were too low.

    Raises:
        ValueError: There is no such T: all images are predicted correctly, or the logits are no
            better than chance.
    """
    logits = logits.double()
    true = logits.gather(1, labels[:, None]).squeeze(1)

    def slope(inverse: float) -> float:
        expected = ((inverse * logits).softmax(1) * logits).sum(1)
        return (expected - true).mean().item()

    if not len(logits) or slope(0) >= 0:
        raise ValueError(
            'no temperature fits: the logits of the true classes are not larger than the others. '
            'Is it the right checkpoint, and are the classes in the same order?'
        )
    low, high = 0.0, 1.0
    while slope(high) < 0:
        low, high = high, 2 * high
        if high > _STEEPEST:
            raise ValueError(
                f'no temperature fits: all {len(logits)} images are predicted correctly, so '
                'confidence can only be too low. Fit it on more images, or on harder ones'
            )
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if slope(middle) < 0 else (low, middle)
    return 1 / high
