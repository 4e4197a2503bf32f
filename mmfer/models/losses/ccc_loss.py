# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import torch
from torch import Tensor, nn

from mmfer.registry import MODELS

#: Smaller denominators are rounding errors, as labels are in [-1, 1].
_LEAST = 1e-8


def concordance_correlation(pred: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Compute the concordance correlation coefficient of every column (Lin, Biometrics 1989).

    ``2 cov(x, y) / (var(x) + var(y) + (mean(x) - mean(y))^2)``, with moments divided by the number
    of samples. If a column is constant and equal in both, its coefficient is 0.

    Args:
        pred (Tensor): ``(B, D)``.
        target (Tensor): ``(B, D)``.
        weight (Tensor): ``(B,)``, weight of each sample, >= 0. If all are 0, the result is 0.

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
    """``1 - CCC`` of a batch, averaged over columns such as valence and arousal.

    :func:`concordance_correlation` is also the metric of these tasks. It is high only if order,
    range and mean of the predictions are all right.

    Correlation needs two samples with a weight above 0. With fewer, loss and gradient are 0.

    Note:
        The loss is not a mean over samples: it depends on which samples are in the same batch. Each
        process of a distributed run computes it on its own batch. Batches should not be small.

    Args:
        loss_weight (float): Weight of the loss. Defaults to 1.
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
        """Compute the loss.

        Computed in float32 (float64 if an argument is), since moments are differences of similar
        numbers.

        Args:
            pred (Tensor): ``(B, D)``.
            target (Tensor): Same shape, finite.
            weight (Tensor, optional): Weights ``(B,)`` of the samples, >= 0. Defaults to 1.
            avg_factor (float, optional): Ignored; moments are divided by the sum of the weights.

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
