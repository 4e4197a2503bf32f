# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Drop one of several attention maps or heads in training (TransFER; Xue et al., ICCV 2021).

Both droppings of the paper are the same function: *multi-attention dropping* (MAD) applies it to
the maps of local branches, *multi-head self-attention dropping* (MSAD) to the heads of a block.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def drop_one(x: Tensor, rate: float) -> Tensor:
    """Zero one of the ``S`` slices of each sample with probability ``rate``.

    Every sample draws independently whether it loses a slice, and which one. All slices are equally
    likely. A slice is dropped as a whole.

    Note:
        Unlike in dropout, the remaining slices are not scaled up. The paper describes no scaling,
        and with a maximum over slices (MAD) no factor would preserve the expected value.

    Args:
        x (Tensor): ``(B, S, ...)``.
        rate (float): 0 to 1. With 0, ``x`` itself is returned and no random number is drawn.

    Returns:
        Tensor: Same shape as ``x``; dropped slices are 0 and have no gradient.
    """
    if rate == 0:
        return x
    batch, num_slices = x.shape[:2]
    which = torch.randint(num_slices, (batch,), device=x.device)
    unlucky = torch.rand(batch, 1, device=x.device) < rate
    dropped = F.one_hot(which, num_slices).bool() & unlucky
    return x.masked_fill(dropped.view(batch, num_slices, *[1] * (x.ndim - 2)), 0)


def check_rate(name: str, rate: float) -> None:
    """Check that ``rate`` is a probability.

    Raises:
        TypeError: ``rate`` is not a number.
        ValueError: ``rate`` is not in [0, 1].
    """
    if isinstance(rate, bool) or not isinstance(rate, (int, float)):
        raise TypeError(f'{name} must be a number from 0 to 1, got {rate!r}')
    if not 0 <= rate <= 1:
        raise ValueError(f'{name} must be a probability, 0 to 1, got {rate}')


class HeadDroppingLinear(nn.Linear):
    """Output projection of multi-head attention, with MSAD on its input.

    The input is the concatenated output of all heads, however attention is computed, so a head can
    be dropped here. The parameters are those of the replaced linear layer.

    Args:
        channels (int): Channels ``C`` of input and output, a multiple of ``num_heads``.
        num_heads (int): Number of heads ``H``.
        drop_rate (float): Probability, 0 to 1, that one head is dropped for a sample in training.
        bias (bool): Whether there is a bias. Defaults to True.
    """

    def __init__(self, channels: int, num_heads: int, drop_rate: float, bias: bool = True):
        check_rate('model.backbone.msad_rate', drop_rate)
        super().__init__(channels, channels, bias)
        self.num_heads = num_heads
        self.drop_rate = drop_rate

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, T, C)`` to ``(B, T, C)``; a dropped head is 0 for all tokens of its sample."""
        if self.training and self.drop_rate:
            heads = x.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)  # (B, H, T, C / H)
            x = drop_one(heads, self.drop_rate).transpose(1, 2).flatten(2)
        return super().forward(x)

    def extra_repr(self) -> str:
        return f'{super().extra_repr()}, num_heads={self.num_heads}, drop_rate={self.drop_rate}'
