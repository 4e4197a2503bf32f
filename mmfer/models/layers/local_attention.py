# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmfer.utils.checks import check_count

from .attention_dropping import check_rate, drop_one
from .lanet import LANet, check_lanet_form


class LocalAttention(BaseModule):
    """Local CNNs of TransFER: branches that find different patches, combined by a maximum.

    Each branch is a :class:`LANet` with a sigmoid. In training, multi-attention dropping (MAD)
    zeroes the map of one random branch of a sample, so that the other branches must also find
    useful patches. The features are then multiplied by the maximum of the maps at each position.

    Args:
        in_channels (int): Channels ``C`` of the features, at least 16.
        num_branches (int): Number of branches ``S``, at least 1. Defaults to 2.
        drop_rate (float): Probability, 0 to 1, that one map is dropped for a sample in training.
            Defaults to 0.6.
        lanet_form (str): ``'release'`` (default) has BatchNorm after both convolutions of a
            branch, as in the released code; ``'paper'`` has none, as in the paper.
    """

    def __init__(
        self,
        in_channels: int,
        num_branches: int = 2,
        drop_rate: float = 0.6,
        lanet_form: str = 'release',
    ):
        super().__init__()
        check_count('model.backbone.num_branches', num_branches)
        check_rate('model.backbone.mad_rate', drop_rate)
        check_lanet_form('model.backbone.lanet_form', lanet_form)
        if num_branches == 1 and drop_rate > 0:
            raise ValueError(
                f'mad_rate={drop_rate} with num_branches=1 would zero whole images: set '
                'model.backbone.mad_rate to 0 or model.backbone.num_branches to 2 or more'
            )
        norm = lanet_form == 'release'
        self.branches = nn.ModuleList(LANet(in_channels, norm=norm) for _ in range(num_branches))
        self.drop_rate = drop_rate

    def maps(self, x: Tensor) -> Tensor:
        """Map features ``(B, N, C)`` to the attention maps of all branches, ``(B, S, N)``."""
        return torch.stack([branch(x) for branch in self.branches], dim=1)

    def forward(self, x: Tensor) -> Tensor:
        """Multiply features ``(B, N, C)`` by the maximum attention at each position."""
        maps = self.maps(x)
        if self.training:
            maps = drop_one(maps, self.drop_rate)
        return x * maps.amax(dim=1).unsqueeze(-1)

    def extra_repr(self) -> str:
        return f'drop_rate={self.drop_rate}'
