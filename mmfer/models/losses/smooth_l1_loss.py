# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import math

import torch
import torch.nn.functional as F
from torch import Tensor

from mmfer.registry import MODELS

from .regression_loss import RegressionLoss


@MODELS.register_module()
class SmoothL1Loss(RegressionLoss):
    """Smooth L1: ``x^2 / (2 beta)`` for errors below ``beta``, ``|x| - beta / 2`` for larger ones.

    Args:
        beta (float): Error at which the parabola ends, in years or pixels, > 0. Defaults to 1.
        reduction (str): See :class:`RegressionLoss`. Defaults to 'mean'.
        loss_weight (float): Weight of the loss. Defaults to 1.

    Raises:
        ValueError: An argument is out of its range.
    """

    def __init__(self, beta: float = 1.0, reduction: str = 'mean', loss_weight: float = 1.0):
        super().__init__(reduction, loss_weight)
        if not (0 < beta < math.inf):
            raise ValueError(f'SmoothL1Loss: beta must be a number > 0, got {beta!r}')
        self.beta = beta

    def penalty(self, error: Tensor) -> Tensor:
        zero = torch.zeros_like(error)
        return F.smooth_l1_loss(error, zero, reduction='none', beta=self.beta)

    def extra_repr(self) -> str:
        return f'beta={self.beta}, {super().extra_repr()}'
