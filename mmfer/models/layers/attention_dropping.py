# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Dropping one of several attentions in training (TransFER; Xue, Wang and Guo, ICCV 2021).

Both of the paper's droppings are the same function: *multi-attention dropping* (MAD) applies it to
the maps of local branches, *multi-head self-attention dropping* (MSAD) to the heads of a block.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def drop_one(x: Tensor, rate: float) -> Tensor:
    """Zero one of the ``S`` slices of each sample with probability ``rate``.

    Which samples lose a slice, and which slice each of them loses, is drawn independently for
    every sample; all slices are equally likely. A slice is lost as a whole.

    Note:
        Unlike dropout, what is left is not scaled up: the paper describes no scaling, and under a
        maximum over slices (MAD) there is no factor that would keep the expected value.

    Args:
        x (Tensor): ``(B, S, ...)``.
        rate (float): 0 to 1. With 0 ``x`` itself comes back and no random number is drawn.

    Returns:
        Tensor: Shaped as ``x``; dropped slices are 0 and pass no gradient.
    """
    if rate == 0:
        return x
    batch, num_slices = x.shape[:2]
    which = torch.randint(num_slices, (batch,), device=x.device)
    unlucky = torch.rand(batch, 1, device=x.device) < rate
    dropped = F.one_hot(which, num_slices).bool() & unlucky
    return x.masked_fill(dropped.view(batch, num_slices, *[1] * (x.ndim - 2)), 0)


def check_rate(name: str, rate: float) -> None:
    """Refuse what is no probability.

    Raises:
        TypeError: ``rate`` is no number.
        ValueError: ``rate`` is not in [0, 1].
    """
    if isinstance(rate, bool) or not isinstance(rate, (int, float)):
        raise TypeError(f'{name} must be a number from 0 to 1, got {rate!r}')
    if not 0 <= rate <= 1:
        raise ValueError(f'{name} must be a probability, 0 to 1, got {rate}')


class HeadDroppingLinear(nn.Linear):
    """The output projection of a multi-head attention, with MSAD on what it reads.

    Its input are the outputs of the heads side by side, in whichever way they were computed, so
    this is where a head is dropped. Parameters are those of the linear layer it stands for.

    Args:
        channels (int): Channels ``C`` in and out, a multiple of ``num_heads``.
        num_heads (int): Heads ``H``.
        drop_rate (float): Probability, 0 to 1, that a sample loses one head in training.
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
