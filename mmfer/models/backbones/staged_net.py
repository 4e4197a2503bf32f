# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from collections.abc import Sequence

import torch.nn as nn
from mmcv.cnn import fuse_conv_bn
from mmengine.model import BaseModule
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm


class StagedNet(BaseModule):
    """Base class of backbones with a stem and stages, as in mmpretrain's ResNet.

    Args:
        stem (nn.Module): First part, applied to the image.
        stages (Sequence[nn.Module]): Stages, applied one after the other to the stem's output.
        out_indices (Sequence[int], optional): Indices of the stages whose output is returned,
            from 0. None returns the last stage.
        frozen_stages (int): Freeze the stem and the first ``frozen_stages`` stages: no gradients,
            eval mode. 0 freezes the stem only, -1 nothing.
        norm_eval (bool): Keep all BatchNorm statistics fixed in training.
        deploy (bool): Build the inference form, see :meth:`switch_to_deploy`.
        init_cfg (dict | list[dict]): Initialization.

    Raises:
        ValueError: ``out_indices`` or ``frozen_stages`` names a stage that does not exist.
    """

    def __init__(
        self,
        stem: nn.Module,
        stages: Sequence[nn.Module],
        out_indices: Sequence[int] | None,
        frozen_stages: int,
        norm_eval: bool,
        deploy: bool,
        init_cfg: dict | list[dict],
    ):
        super().__init__(init_cfg)
        name, num_stages = type(self).__name__, len(stages)
        out_indices = (num_stages - 1,) if out_indices is None else tuple(out_indices)
        if not out_indices or not all(0 <= i < num_stages for i in out_indices):
            raise ValueError(
                f'{name} out_indices must lie in 0..{num_stages - 1} (num_stages={num_stages}), '
                f'got {out_indices}'
            )
        if not -1 <= frozen_stages <= num_stages:
            raise ValueError(
                f'{name} frozen_stages must be -1 to num_stages={num_stages}, got {frozen_stages}'
            )
        self.out_indices = out_indices
        self.frozen_stages = frozen_stages
        self.norm_eval = norm_eval
        self.deploy = False
        self.stem = stem
        self.stages = nn.ModuleList(stages)
        self._freeze()
        if deploy:
            self.switch_to_deploy()

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Map images ``(B, 3, H, W)`` to one feature map per entry of ``out_indices``."""
        x = self.stem(x)
        outs = []
        for i, stage in enumerate(self.stages):
            x = stage(x)
            if i in self.out_indices:
                outs.append(x)
        return tuple(outs)

    def switch_to_deploy(self) -> None:
        """Merge each BatchNorm that follows a convolution into the convolution, for inference.

        Outputs in eval mode stay the same, up to rounding.
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
        """Set training or eval mode; frozen parts stay in eval mode."""
        super().train(mode)
        self._freeze()
        if mode and self.norm_eval:
            for module in self.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        return self
