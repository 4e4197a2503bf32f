# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import torch
from torch import Tensor, nn

from mmfer.registry import MODELS

#: Below this the denominator is rounding: labels are numbers from -1 to 1.
_LEAST = 1e-8


def concordance_correlation(pred: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Concordance correlation coefficient of every column (Lin, Biometrics 1989).

    ``2 cov(x, y) / (var(x) + var(y) + (mean(x) - mean(y))^2)``, with moments that are divided by
    the number of samples. 0 where a column of both is constant and equal.

    Args:
        pred (Tensor): ``(B, D)``.
        target (Tensor): ``(B, D)``.
        weight (Tensor): ``(B,)``, how much each sample counts, >= 0; all zero gives 0.

    Returns:
        Tensor: ``(D,)``, in [-1, 1].
    """
    share = (weight / weight.sum().clamp(min=_LEAST))[:, None]
    mean_pred, mean_target = (share * pred).sum(dim=0), (share * target).sum(dim=0)
    pred, target = pred - mean_pred, target - mean_target
    spread = (share * (pred.square() + target.square())).sum(dim=0)
    distance = (mean_pred - mean_target).square()
    return 2 * (share * pred * target).sum(dim=0) / (spread + distance).clamp(min=_LEAST)


@MODELS.register_module()
class CCCLoss(nn.Module):
    """``1 - CCC`` of a batch, the mean over the numbers of a sample, such as valence and arousal.

    :func:`concordance_correlation` is what the results are measured by: it asks for the right
    order, range and mean at once.

    Fewer than two samples with a weight have no correlation: loss and gradient are then zero.

    Note:
        This is no mean over samples. It depends on which of them share a batch, and each process of
        a distributed run computes that of its own; batches should not be small.

    Args:
        loss_weight (float): Factor on the result. Defaults to 1.
    """

    def __init__(self, loss_weight: float = 1.0):
        super().__init__()
        self.loss_weight = loss_weight

    def forward(
        self,
        pred: Tensor,
        target: Tensor,
        weight: Tensor | None = None,
        avg_factor: float | None = None,
    ) -> Tensor:
        """Reduce predictions and targets to a number.

        Computed in float32 (or float64 if an argument is): moments are differences of near numbers.

        Args:
            pred (Tensor): ``(B, D)``.
            target (Tensor): Same shape, finite.
            weight (Tensor, optional): Factors ``(B,)`` on the samples, >= 0. Defaults to 1.
            avg_factor (float, optional): Not used; moments are divided by the sum of the weights.

        Returns:
            Tensor: The loss, a scalar in [0, 2] times ``loss_weight``, at least float32.

        Raises:
            ValueError: The shapes differ, or are not ``(B, D)``.
        """
        if pred.shape != target.shape or pred.ndim != 2:
            raise ValueError(
                f'CCCLoss: prediction {tuple(pred.shape)} and target {tuple(target.shape)} must '
                'have the same shape (B, D)'
            )
        dtype = torch.promote_types(torch.promote_types(pred.dtype, target.dtype), torch.float32)
        pred, target = pred.to(dtype), target.to(dtype)
        weight = pred.new_ones(len(pred)) if weight is None else weight.to(dtype)
        loss = 1 - concordance_correlation(pred, target, weight).mean()
        return self.loss_weight * loss * ((weight > 0).sum() >= 2)

    def extra_repr(self) -> str:
        return f'loss_weight={self.loss_weight}'
