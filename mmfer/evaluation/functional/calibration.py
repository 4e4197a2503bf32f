# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Do a classifier's scores say how often it is right? (Guo et al., ICML 2017)."""

from dataclasses import dataclass

import torch
from torch import Tensor

BINS = 15
#: Inverse temperatures beyond this mean that there is none.
_STEEPEST = 1e4
_STEPS = 100  # halvings: more than a float64 has bits


@dataclass(frozen=True)
class Reliability:
    """Images sorted into bins of equal width by the score of the class that was predicted.

    Attributes:
        counts (Tensor): Images in each bin, ``(bins,)``.
        confidence (Tensor): Their mean score, 0 to 1, ``(bins,)`` float64; NaN in empty bins.
        accuracy (Tensor): Share of them that is predicted correctly, likewise.
    """

    counts: Tensor
    confidence: Tensor
    accuracy: Tensor

    @property
    def error(self) -> float:
        """The expected calibration error in percent: the mean over images of how far confidence
        and accuracy of their bin are apart.
        """
        gaps = (self.confidence - self.accuracy).abs().nan_to_num()
        return 100 * ((self.counts * gaps).sum() / self.counts.sum()).item()


def reliability(scores: Tensor, labels: Tensor, bins: int = BINS) -> Reliability:
    """Compare confidence and accuracy, bin by bin.

    Args:
        scores (Tensor): Probabilities ``(N, C)``, each row with sum 1.
        labels (Tensor): The true classes ``(N,)``, 0 to C - 1.
        bins (int): Of equal width, from 0 to 1; a score on an edge is in the lower one. Defaults to
            15.

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
    """The expected calibration error in percent, see :func:`reliability`; 0 is best."""
    return reliability(scores, labels, bins).error


def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    """The temperature T for which ``softmax(logits / T)`` has the least negative log-likelihood.

    The likelihood is convex in 1/T, so its slope has one root, which is found by halving.

    Args:
        logits (Tensor): Before the softmax, ``(N, C)``.
        labels (Tensor): The true classes ``(N,)``.

    Returns:
        T > 0: above 1 where the scores were too high, below where they were too low.

    Raises:
        ValueError: There is no such T: all images are predicted correctly, or the logits say no
            more about the classes than chance.
    """
    logits = logits.double()
    true = logits.gather(1, labels[:, None]).squeeze(1)

    def slope(inverse: float) -> float:
        expected = ((inverse * logits).softmax(1) * logits).sum(1)
        return (expected - true).mean().item()

    if not len(logits) or slope(0) >= 0:
        raise ValueError(
            'no temperature fits: the true classes have no larger logits than the others. Is it '
            'the right checkpoint, and are the classes in the same order?'
        )
    low, high = 0.0, 1.0
    while slope(high) < 0:
        low, high = high, 2 * high
        if high > _STEEPEST:
            raise ValueError(
                f'no temperature fits: all of {len(logits)} images are predicted correctly, so '
                'that confidence can only be too low. Fit it on more images, or on harder ones'
            )
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if slope(middle) < 0 else (low, middle)
    return 1 / high
