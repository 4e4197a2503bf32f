# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import math

import torch
import torch.nn as nn
from mmpretrain.models.losses.utils import weight_reduce_loss
from torch import Tensor

from mmfer.registry import MODELS

REDUCTIONS = ('mean', 'sum')


def wing(error: Tensor, omega: float = 10.0, epsilon: float = 2.0) -> Tensor:
    """Wing function of every error (Feng et al., CVPR 2018).

    ``omega * ln(1 + |x| / epsilon)`` for ``|x| < omega``, ``|x| - C`` beyond. The constant
    ``C = omega - omega * ln(1 + omega / epsilon)`` joins the branches.

    Args:
        error (Tensor): Any shape; in pixels or years.
        omega (float): Where the logarithm ends. Defaults to 10.
        epsilon (float): How sharply it bends around zero. Defaults to 2.

    Returns:
        Tensor: Same shape.
    """
    size = error.abs()
    offset = omega - omega * math.log1p(omega / epsilon)
    return torch.where(size < omega, omega * torch.log1p(size / epsilon), size - offset)


@MODELS.register_module()
class WingLoss(nn.Module):
    """Wing loss: like L1 for large errors, with a steeper pull on small ones.

    From Feng et al., "Wing Loss for Robust Facial Landmark Localisation with Convolutional Neural
    Networks", CVPR 2018. The KT-Adapter paper uses it for landmarks, in pixels of the network
    input, and for age, in years.

    Note:
        Feng et al. add up the coordinates of a face (``reduction='sum'``); with the mean, which is
        the default here, the loss and its gradient do not grow with the number of points. Samples
        are always averaged.

    Args:
        omega (float): Up to which error the logarithm acts, > 0. Defaults to 10, as published.
        epsilon (float): How sharply it bends around zero, > 0. Defaults to 2, as published.
        reduction (str): 'mean' or 'sum' over the numbers of a sample. Defaults to 'mean'.
        loss_weight (float): Factor on the result. Defaults to 1.

    Raises:
        ValueError: An argument is out of its range.
    """

    def __init__(
        self,
        omega: float = 10.0,
        epsilon: float = 2.0,
        reduction: str = 'mean',
        loss_weight: float = 1.0,
    ):
        super().__init__()
        for name, value in (('omega', omega), ('epsilon', epsilon)):
            if not (0 < value < math.inf):
                raise ValueError(f'WingLoss: {name} must be a number > 0, got {value!r}')
        if reduction not in REDUCTIONS:
            raise ValueError(f'WingLoss: reduction must be one of {REDUCTIONS}, got {reduction!r}')
        self.omega = omega
        self.epsilon = epsilon
        self.reduction = reduction
        self.loss_weight = loss_weight

    def forward(
        self,
        pred: Tensor,
        target: Tensor,
        weight: Tensor | None = None,
        avg_factor: float | None = None,
    ) -> Tensor:
        """Reduce predictions and targets to a number.

        Computed in float32 (or float64 if an argument is): half precision has steps of 1/8 pixel at
        the right border of a picture of 224.

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
                f'WingLoss: prediction {tuple(pred.shape)} and target {tuple(target.shape)} must '
                'have the same shape'
            )
        dtype = torch.promote_types(torch.promote_types(pred.dtype, target.dtype), torch.float32)
        losses = wing(pred.to(dtype) - target.to(dtype), self.omega, self.epsilon)
        losses = losses.reshape(len(pred), -1)
        losses = losses.mean(dim=1) if self.reduction == 'mean' else losses.sum(dim=1)
        return self.loss_weight * weight_reduce_loss(losses, weight, 'mean', avg_factor)

    def extra_repr(self) -> str:
        return (
            f'omega={self.omega}, epsilon={self.epsilon}, reduction={self.reduction!r}, '
            f'loss_weight={self.loss_weight}'
        )
