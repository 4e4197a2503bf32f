# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from collections.abc import Sequence

import torch.nn as nn
from mmengine.model import BaseModule
from torch import Tensor

from mmfer.registry import MODELS

from ..utils.checkpointing import run_checkpointed
from .staged_net import StagedNet


class IRUnit(BaseModule):
    """Residual unit of the "improved residual" (IR) nets for face recognition.

    BN, 3x3 convolution, PReLU, 3x3 convolution with the stride, BN. The shortcut subsamples if the
    width stays the same, and is a 1x1 convolution with BN if it grows. There is no activation after
    the sum.
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
            # Every `stride`-th row and column. Over one pixel, average and maximum are the same,
            # but average pooling stores no indices.
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
    """Residual unit of InsightFace's "iresnet".

    Unlike in :class:`IRUnit`, BN also follows the first convolution, and the shortcut is a 1x1
    convolution with BN whenever the stride is above 1.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int):
        super().__init__(in_channels, out_channels, stride)
        self.conv1 = nn.Sequential(self.conv1, nn.BatchNorm2d(out_channels))
        if stride > 1:
            self.shortcut = self._projection(in_channels, out_channels, stride)


class IRStage(nn.Sequential):
    """Sequence of units; ``with_cp`` turns on activation checkpointing for each unit."""

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
    """IR family of face recognition backbones, in the layout of face.evoLVe or InsightFace.

    IR-50 with ``num_stages=3`` is APViT's feature extractor: ``(B, 3, 112, 112)`` becomes
    ``(B, 256, 14, 14)`` with 17.6 M parameters and 5.47 GMAC. Stage ``i`` outputs ``(B,
    base_channels * 2**i, H / 2**(i + 1), W / 2**(i + 1))``.

    Args:
        depth (int): 18, 34, 50, 100 or 152. face.evoLVe has no 18 and 34, InsightFace has no 152;
            here these have the usual numbers of units. Defaults to 50.
        num_stages (int): Number of stages to build, 1 to 4. Defaults to 3.
        out_indices (Sequence[int], optional): Indices of the stages whose output is returned,
            from 0. Defaults to the last stage.
        base_channels (int): Width of the first stage; it doubles with every stage. Defaults to 64.
        in_channels (int): Channels of the image. Defaults to 3.
        frozen_stages (int): Freeze the stem and the first ``frozen_stages`` stages: no gradients,
            eval mode. 0 freezes the stem only, -1 (default) nothing.
        norm_eval (bool): Keep all BatchNorm statistics fixed in training. Defaults to False.
        with_cp (bool): Activation checkpointing: store only the input of each unit and recompute
            the rest in the backward pass. It saves memory and costs one more forward pass. Defaults
            to False.
        deploy (bool): Build the inference form, see :meth:`switch_to_deploy`. The first BatchNorm
            of a unit is not merged: the convolution after it pads with zeros, and BatchNorm does
            not map zeros to zeros. Defaults to False.
        init_cfg (dict, optional): Initialization. Defaults to Xavier uniform for convolutions, as
            in the released APViT (its nets without pre-trained weights, Table 3); BatchNorm starts
            with weight 1 and bias 0, PReLU with slope 0.25.
        unit (str): ``'ir'`` (default), the unit of face.evoLVe and the released APViT, see
            :class:`IRUnit`; or ``'iresnet'``, the unit of InsightFace, see :class:`IResNetUnit`.
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
