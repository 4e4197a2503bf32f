# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from collections.abc import Sequence

import torch.nn as nn
from mmcv.cnn import build_conv_layer, build_norm_layer, fuse_conv_bn
from mmpretrain.models.backbones import ResNet_CIFAR

from mmfer.registry import MODELS


@MODELS.register_module()
class SmallImageResNet(ResNet_CIFAR):
    """ResNet for images of 48 to 64 pixels: a 5x5 stem with stride 2 and no max pooling.

    mmpretrain's ``ResNet_CIFAR`` runs its first stage at full resolution, which is slow on a CPU;
    ``ResNet`` runs it at 1/4 of the side, which is too coarse for small images. Here the first
    stage runs at 1/2, and three stages reduce the side to 1/8.

    Args:
        depth (int): 18, 34, 50, 101 or 152. Defaults to 18.
        base_channels (int): Width of the first stage; it doubles with every stage. Defaults to 32.
        num_stages (int): Number of stages to build, 1 to 4. Defaults to 3.
        stem_channels (int, optional): Width of the stem. Defaults to ``base_channels``.
        strides (Sequence[int]): Stride of each stage. Defaults to (1, 2, 2).
        dilations (Sequence[int]): Dilation of each stage. Defaults to (1, 1, 1).
        out_indices (Sequence[int]): Indices of the stages whose output is returned. Defaults to
            (2,).
        zero_init_residual (bool): Whether residual branches start as zero. Defaults to False, so
            that all branches learn from the start in training from scratch.
        deploy (bool): Build the inference form, see :meth:`switch_to_deploy`. Defaults to False.
        **kwargs: Further arguments of mmpretrain's ``ResNet``.
    """

    def __init__(
        self,
        depth: int = 18,
        base_channels: int = 32,
        num_stages: int = 3,
        stem_channels: int | None = None,
        strides: Sequence[int] = (1, 2, 2),
        dilations: Sequence[int] = (1, 1, 1),
        out_indices: Sequence[int] = (2,),
        zero_init_residual: bool = False,
        deploy: bool = False,
        **kwargs,
    ):
        super().__init__(
            depth,
            base_channels=base_channels,
            num_stages=num_stages,
            stem_channels=base_channels if stem_channels is None else stem_channels,
            strides=strides,
            dilations=dilations,
            out_indices=out_indices,
            zero_init_residual=zero_init_residual,
            **kwargs,
        )
        self.deploy = False
        if deploy:
            self.switch_to_deploy()

    def _make_stem_layer(self, in_channels: int, base_channels: int) -> None:
        self.conv1 = build_conv_layer(
            self.conv_cfg, in_channels, base_channels, 5, stride=2, padding=2, bias=False
        )
        self.norm1_name, norm = build_norm_layer(self.norm_cfg, base_channels, postfix=1)
        self.add_module(self.norm1_name, norm)
        self.relu = nn.ReLU(inplace=True)

    def switch_to_deploy(self) -> None:
        """Merge BatchNorm into the convolutions, for inference; outputs stay the same."""
        fuse_conv_bn(self)
        self.deploy = True
