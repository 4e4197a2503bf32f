# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from collections.abc import Sequence

import torch.nn as nn
from mmengine.model import BaseModule
from torch import Tensor

from mmfer.registry import MODELS

from ..utils.checkpointing import run_checkpointed
from .staged_net import StagedNet


class IRUnit(BaseModule):
    """The residual unit of face recognition's "improved residual" nets.

    BN, 3x3 convolution, PReLU, 3x3 convolution with the stride, BN; the shortcut subsamples where
    the width stays and is a 1x1 convolution with BN where it grows. Nothing follows the sum.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int):
        super().__init__()
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False)
        self.act = nn.PReLU(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        if in_channels != out_channels:
            self.shortcut = self._projection(in_channels, out_channels, stride)
        else:
            # Every `stride`-th row and column; of one pixel the average is as good as the maximum,
            # and has no indices to keep.
            self.shortcut = nn.AvgPool2d(1, stride) if stride > 1 else nn.Identity()

    @staticmethod
    def _projection(in_channels: int, out_channels: int, stride: int) -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(in_channels, out_channels, 1, stride, bias=False),
            nn.BatchNorm2d(out_channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, in, H, W)`` to ``(B, out, H / stride, W / stride)``."""
        out = self.conv1(self.bn1(x))
        out = self.bn2(self.conv2(self.act(out)))
        return out + self.shortcut(x)


class IResNetUnit(IRUnit):
    """The unit of InsightFace's "iresnet".

    BN follows the first convolution as well, and the shortcut is a 1x1 convolution with BN wherever
    the unit has a stride.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int):
        super().__init__(in_channels, out_channels, stride)
        self.conv1 = nn.Sequential(self.conv1, nn.BatchNorm2d(out_channels))
        if stride > 1:
            self.shortcut = self._projection(in_channels, out_channels, stride)


class IRStage(nn.Sequential):
    """Units one after the other; with ``with_cp`` each keeps its input only."""

    def __init__(self, *units: IRUnit, with_cp: bool = False):
        super().__init__(*units)
        self.with_cp = with_cp

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, in, H, W)`` to ``(B, out, H / 2, W / 2)``."""
        for unit in self:
            x = run_checkpointed(unit, x) if self.with_cp else unit(x)
        return x


@MODELS.register_module()
class IRNet(StagedNet):
    """The IR family of face recognition backbones, laid out as in face.evoLVe or InsightFace.

    IR-50 with ``num_stages=3`` is APViT's feature extractor: ``(B, 3, 112, 112)`` becomes
    ``(B, 256, 14, 14)`` with 17.6 M parameters and 5.47 GMAC. Stage ``i`` gives ``(B, base_channels
    * 2**i, H / 2**(i + 1), W / 2**(i + 1))``.

    Args:
        depth (int): 18, 34, 50, 100 or 152. 18 and 34 are not in face.evoLVe, 152 is not in
            InsightFace; they have the usual numbers of units.
        num_stages (int): How many of the four stages are built, 1 to 4. Defaults to 3.
        out_indices (Sequence[int], optional): Stages whose output is returned, from 0. Defaults to
            the last one.
        base_channels (int): Width of the first stage; it doubles in every later one. Defaults
            to 64.
        in_channels (int): Channels of the image. Defaults to 3.
        frozen_stages (int): The stem (0) and this many stages get no gradient and stay in eval
            mode. -1 (default) freezes nothing.
        norm_eval (bool): Keep all BatchNorm statistics fixed in training. Defaults to False.
        with_cp (bool): Keep the input of each unit only and compute the rest again for gradients:
            less memory, one more forward pass. Defaults to False.
        deploy (bool): Build the form for inference, see :meth:`switch_to_deploy`. The BatchNorm
            that opens a unit stays: its convolution pads with zeros, which are not what BatchNorm
            makes of zeros. Defaults to False.
        init_cfg (dict, optional): Initialization. Defaults to Xavier uniform for convolutions, as
            in the released APViT (its nets without weights, Table 3); BatchNorm starts at weight 1,
            bias 0 and PReLU at slope 0.25.
        unit (str): ``'ir'`` (default), the unit of face.evoLVe and the released APViT, see
            :class:`IRUnit`; or ``'iresnet'``, that of InsightFace, see :class:`IResNetUnit`.
    """

    UNITS = {
        18: (2, 2, 2, 2),
        34: (3, 4, 6, 3),
        50: (3, 4, 14, 3),
        100: (3, 13, 30, 3),
        152: (3, 8, 36, 3),
    }
    UNIT_TYPES = {'ir': IRUnit, 'iresnet': IResNetUnit}

    def __init__(
        self,
        depth: int = 50,
        num_stages: int = 3,
        out_indices: Sequence[int] | None = None,
        base_channels: int = 64,
        in_channels: int = 3,
        frozen_stages: int = -1,
        norm_eval: bool = False,
        with_cp: bool = False,
        deploy: bool = False,
        init_cfg: dict | None = None,
        unit: str = 'ir',
    ):
        if depth not in self.UNITS:
            raise ValueError(f'IRNet depth must be one of {tuple(self.UNITS)}, got {depth}')
        if not 1 <= num_stages <= 4:
            raise ValueError(f'IRNet num_stages must be 1 to 4, got {num_stages}')
        if unit not in self.UNIT_TYPES:
            raise ValueError(f'IRNet unit must be one of {tuple(self.UNIT_TYPES)}, got {unit!r}')
        if init_cfg is None:
            init_cfg = dict(type='Xavier', layer='Conv2d', distribution='uniform')
        stem = nn.Sequential(
            nn.Conv2d(in_channels, base_channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(base_channels),
            nn.PReLU(base_channels),
        )
        stages, width, build = [], base_channels, self.UNIT_TYPES[unit]
        for stage, num_units in enumerate(self.UNITS[depth][:num_stages]):
            out_width = base_channels * 2**stage
            units = [build(width, out_width, stride=2)]
            units += [build(out_width, out_width, stride=1) for _ in range(num_units - 1)]
            stages.append(IRStage(*units, with_cp=with_cp))
            width = out_width
        super().__init__(stem, stages, out_indices, frozen_stages, norm_eval, deploy, init_cfg)
