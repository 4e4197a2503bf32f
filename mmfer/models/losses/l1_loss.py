# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from torch import Tensor

from mmfer.registry import MODELS

from .regression_loss import RegressionLoss


@MODELS.register_module()
class L1Loss(RegressionLoss):
    """Absolute error, in years or pixels.

    Args:
        reduction (str): See :class:`RegressionLoss`. Defaults to 'mean'.
        loss_weight (float): Weight of the loss. Defaults to 1.
    """

    def penalty(self, error: Tensor) -> Tensor:
        return error.abs()
