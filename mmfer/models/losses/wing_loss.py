# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import math

import torch
from torch import Tensor

from mmfer.registry import MODELS

from .regression_loss import RegressionLoss


def wing(error: Tensor, omega: float = 10.0, epsilon: float = 2.0) -> Tensor:
    """Compute the wing function of every error (Feng et al., CVPR 2018).

    ``omega * ln(1 + |x| / epsilon)`` for ``|x| < omega``, ``|x| - C`` for larger errors. The
    constant ``C = omega - omega * ln(1 + omega / epsilon)`` makes it continuous.

    Args:
        error (Tensor): Any shape; in pixels or years.
        omega (float): Error at which the logarithm ends. Defaults to 10.
        epsilon (float): Curvature at zero; smaller is sharper. Defaults to 2.

    Returns:
        Tensor: Same shape.
    """
    size = error.abs()
    offset = omega - omega * math.log1p(omega / epsilon)
    return torch.where(size < omega, omega * torch.log1p(size / epsilon), size - offset)


@MODELS.register_module()
class WingLoss(RegressionLoss):
    """Wing loss: like L1 for large errors, with a steeper pull on small ones.

    From Feng et al., "Wing Loss for Robust Facial Landmark Localisation with Convolutional Neural
    Networks", CVPR 2018. The KT-Adapter paper uses it for landmarks, in pixels of the network
    input, and for age, in years.

    Note:
        Feng et al. sum over the coordinates of a face (``reduction='sum'``). With the mean, our
        default, loss and gradient do not grow with the number of points. Samples are always
        averaged.

    Args:
        omega (float): Error at which the logarithm ends, > 0. Defaults to 10, as published.
        epsilon (float): Curvature at zero, > 0; smaller is sharper. Defaults to 2, as published.
        reduction (str): 'mean' or 'sum' over the numbers of a sample. Defaults to 'mean'.
        loss_weight (float): Weight of the loss. Defaults to 1.

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
        super().__init__(reduction, loss_weight)
        for name, value in (('omega', omega), ('epsilon', epsilon)):
            if not (0 < value < math.inf):
                raise ValueError(f'WingLoss: {name} must be a number > 0, got {value!r}')
        self.omega = omega
        self.epsilon = epsilon

    def penalty(self, error: Tensor) -> Tensor:
        """See :func:`wing`."""
        return wing(error, self.omega, self.epsilon)

    def extra_repr(self) -> str:
        return f'omega={self.omega}, epsilon={self.epsilon}, {super().extra_repr()}'
