# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from abc import ABC, abstractmethod

import torch
import torch.nn as nn
from mmpretrain.models.losses.utils import weight_reduce_loss
from torch import Tensor

REDUCTIONS = ('mean', 'sum')


class RegressionLoss(nn.Module, ABC):
    """A penalty on every error of the numbers of a sample, in years or pixels.

    A subclass says what an error costs. The numbers of a sample are averaged or added up, samples
    are always averaged.

    Args:
        reduction (str): 'mean' or 'sum' over the numbers of a sample: of 98 points, 196. An age is
            one number, for which both are the same. Defaults to 'mean'.
        loss_weight (float): Factor on the result. Defaults to 1.

    Raises:
        ValueError: ``reduction`` is another word.
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
        """What every error costs, of the same shape."""

    def forward(
        self,
        pred: Tensor,
        target: Tensor,
        weight: Tensor | None = None,
        avg_factor: float | None = None,
    ) -> Tensor:
        """Reduce predictions and targets to a number.

        Computed in float32 (or float64 if an argument is): half precision has steps of 1/8 pixel at
        the right border of an image of 224.

        Args:
            pred (Tensor): ``(B,)`` or ``(B, ...)``.
            target (Tensor): Same shape.
            weight (Tensor, optional): Factors ``(B,)`` on the samples.
            avg_factor (float, optional): What the sum over samples is divided by. Defaults to
                their number.

        Returns:
            Tensor: The loss, a scalar, at least float32.

        Raises:
            ValueError: The shapes differ; broadcasting would hide a mistake.
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
