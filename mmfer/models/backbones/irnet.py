# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from collections.abc import Sequence

import torch.nn as nn
from mmcv.cnn import fuse_conv_bn
from mmengine.model import BaseModule
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from mmfer.registry import MODELS

from ..utils.checkpointing import run_checkpointed


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
            self.shortcut = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride, bias=False),
                nn.BatchNorm2d(out_channels),
            )
        else:
            # Every `stride`-th row and column; of one pixel the average is as good as the maximum,
            # and has no indices to keep.
            self.shortcut = nn.AvgPool2d(1, stride) if stride > 1 else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, in, H, W)`` to ``(B, out, H / stride, W / stride)``."""
        out = self.conv1(self.bn1(x))
        out = self.bn2(self.conv2(self.act(out)))
        return out + self.shortcut(x)


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
class IRNet(BaseModule):
    """The IR family of face recognition backbones, laid out as in face.evoLVe.

    IR-50 with ``num_stages=3`` is APViT's feature extractor: ``(B, 3, 112, 112)`` becomes
    ``(B, 256, 14, 14)`` with 17.6 M parameters and 5.47 GMAC.

    Args:
        depth (int): 18, 34, 50, 100 or 152. 18 and 34 are not in face.evoLVe; they have the usual
            numbers of units.
        num_stages (int): How many of the four stages are built, 1 to 4. Defaults to 3.
        out_indices (Sequence[int], optional): Stages whose output is returned, from 0. Defaults to
            the last one.
        base_channels (int): Width of the first stage; it doubles in every later one. Defaults
            to 64.
        in_channels (int): Channels of the picture. Defaults to 3.
        frozen_stages (int): The stem (0) and this many stages get no gradient and stay in eval
            mode. -1 (default) freezes nothing.
        norm_eval (bool): Keep all BatchNorm statistics fixed in training. Defaults to False.
        with_cp (bool): Keep the input of each unit only and compute the rest again for gradients:
            less memory, one more forward pass. Defaults to False.
        deploy (bool): Build the form for inference, see :meth:`switch_to_deploy`. Defaults to
            False.
        init_cfg (dict, optional): Initialisation. Defaults to Xavier uniform for convolutions, as
            in the released APViT (its nets without weights, Table 3); BatchNorm starts at weight 1,
            bias 0 and PReLU at slope 0.25.
    """

    UNITS = {
        18: (2, 2, 2, 2),
        34: (3, 4, 6, 3),
        50: (3, 4, 14, 3),
        100: (3, 13, 30, 3),
        152: (3, 8, 36, 3),
    }

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
    ):
        if init_cfg is None:
            init_cfg = dict(type='Xavier', layer='Conv2d', distribution='uniform')
        super().__init__(init_cfg)
        if depth not in self.UNITS:
            raise ValueError(f'IRNet depth must be one of {tuple(self.UNITS)}, got {depth}')
        if not 1 <= num_stages <= 4:
            raise ValueError(f'IRNet num_stages must be 1 to 4, got {num_stages}')
        out_indices = (num_stages - 1,) if out_indices is None else tuple(out_indices)
        if not out_indices or not all(0 <= i < num_stages for i in out_indices):
            raise ValueError(
                f'IRNet out_indices must lie in 0..{num_stages - 1} (num_stages={num_stages}), '
                f'got {out_indices}'
            )
        if not -1 <= frozen_stages <= num_stages:
            raise ValueError(
                f'IRNet frozen_stages must be -1 to num_stages={num_stages}, got {frozen_stages}'
            )
        self.out_indices = out_indices
        self.frozen_stages = frozen_stages
        self.norm_eval = norm_eval
        self.deploy = False

        self.stem = nn.Sequential(
            nn.Conv2d(in_channels, base_channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(base_channels),
            nn.PReLU(base_channels),
        )
        self.stages = nn.ModuleList()
        width = base_channels
        for stage, num_units in enumerate(self.UNITS[depth][:num_stages]):
            out_width = base_channels * 2**stage
            units = [IRUnit(width, out_width, stride=2)]
            units += [IRUnit(out_width, out_width, stride=1) for _ in range(num_units - 1)]
            self.stages.append(IRStage(*units, with_cp=with_cp))
            width = out_width
        self._freeze()
        if deploy:
            self.switch_to_deploy()

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Map ``(B, 3, H, W)`` to one feature map per entry of ``out_indices``.

        Stage ``i`` gives ``(B, base_channels * 2**i, H / 2**(i + 1), W / 2**(i + 1))``.
        """
        x = self.stem(x)
        outs = []
        for i, stage in enumerate(self.stages):
            x = stage(x)
            if i in self.out_indices:
                outs.append(x)
        return tuple(outs)

    def switch_to_deploy(self) -> None:
        """Merge each BatchNorm that follows a convolution into it, for inference.

        What the net gives in eval mode stays the same but for rounding. The BatchNorm that opens a
        unit stays: its convolution pads with zeros, which are not what BatchNorm makes of zeros.
        """
        fuse_conv_bn(self)
        self.deploy = True

    def _freeze(self) -> None:
        if self.frozen_stages < 0:
            return
        for module in (self.stem, *self.stages[: self.frozen_stages]):
            module.eval()
            module.requires_grad_(False)

    def train(self, mode: bool = True):
        """Set the mode, except for what is frozen."""
        super().train(mode)
        self._freeze()
        if mode and self.norm_eval:
            for module in self.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        return self
