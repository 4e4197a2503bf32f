# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import torch.nn as nn
from mmengine.model import BaseModule
from torch import Tensor


class LANet(BaseModule):
    """A learned spatial attention map: two 1x1 convolutions with a ReLU between (Fig. 4b).

    The sigmoid of the original LANet is left out, as in the paper: only the order of the scores
    matters. On tokens a 1x1 convolution is a linear layer.

    Args:
        in_channels (int): Channels ``C`` of the patches, at least ``reduction``.
        reduction (int): The hidden width is ``C // reduction``. Defaults to 16.
    """

    def __init__(self, in_channels: int, reduction: int = 16):
        super().__init__()
        if in_channels < reduction:
            raise ValueError(
                f'LANet needs in_channels >= reduction={reduction}, got in_channels={in_channels}'
            )
        self.squeeze = nn.Linear(in_channels, in_channels // reduction)
        self.act = nn.ReLU(inplace=True)
        self.score = nn.Linear(in_channels // reduction, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map patches ``(B, N, C)`` to scores ``(B, N)``."""
        return self.score(self.act(self.squeeze(x))).squeeze(-1)
