# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from abc import ABC, abstractmethod

import torch
import torch.nn as nn
from mmpretrain.models.losses.utils import weight_reduce_loss
from torch import Tensor

REDUCTIONS = ('mean', 'sum')


class RegressionLoss(nn.Module, ABC):
    """Base class of losses that penalize each error, in years or pixels.

    A subclass defines the penalty. Penalties are averaged or summed within a sample, and always
    averaged over samples.

    Args:
        reduction (str): 'mean' or 'sum' over the numbers of a sample: 196 for 98 points. An age is
            one number, so both are the same. Defaults to 'mean'.
        loss_weight (float): Weight of the loss. Defaults to 1.

    Raises:
        ValueError: ``reduction`` is unknown.
    """

    def __init__(self, reduction: str = 'mean', loss_weight: float = 1.0):
        super().__init__()
        if reduction not in REDUCTIONS:
            name = type(self).__name__
            raise ValueError(f'{name}: reduction must be one of {REDUCTIONS}, got {reduction!r}')
        self.reduction = reduction
        self.loss_weight = loss_weight

    @abstractmethod
    def penalty(self, error: Tensor) -> Tensor:
        """Return the penalty of every error, with the same shape."""

    def forward(
        self,
        pred: Tensor,
        target: Tensor,
        weight: Tensor | None = None,
        avg_factor: float | None = None,
    ) -> Tensor:
        """Compute the loss.

        Computed in float32 (float64 if an argument is): half precision has steps of 1/8 pixel at
        the right border of a 224-pixel image.

        Args:
            pred (Tensor): ``(B,)`` or ``(B, ...)``.
            target (Tensor): Same shape.
            weight (Tensor, optional): Weights ``(B,)`` of the samples. Defaults to 1.
            avg_factor (float, optional): Divisor of the sum over samples. Defaults to the number of
                samples.

        Returns:
            Tensor: The loss, a scalar, at least float32.

        Raises:
            ValueError: The shapes differ. Broadcasting would hide a mistake.
        """
        if pred.shape != target.shape:
            raise ValueError(
                f'{type(self).__name__}: prediction {tuple(pred.shape)} and target '
                f'{tuple(target.shape)} must have the same shape'
            )
        dtype = torch.promote_types(torch.promote_types(pred.dtype, target.dtype), torch.float32)
        losses = self.penalty(pred.to(dtype) - target.to(dtype)).reshape(len(pred), -1)
        losses = losses.mean(dim=1) if self.reduction == 'mean' else losses.sum(dim=1)
        return self.loss_weight * weight_reduce_loss(losses, weight, 'mean', avg_factor)

    def extra_repr(self) -> str:
        return f'reduction={self.reduction!r}, loss_weight={self.loss_weight}'
