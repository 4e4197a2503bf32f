# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from collections.abc import Sequence

import torch.nn as nn
from mmcv.cnn import build_conv_layer, build_norm_layer, fuse_conv_bn
from mmpretrain.models.backbones import ResNet_CIFAR

from mmfer.registry import MODELS


@MODELS.register_module()
class SmallImageResNet(ResNet_CIFAR):
    """A ResNet for images of 48 to 64 pixels: a 5x5 stem of stride 2, and no max pooling.

    mmpretrain's ``ResNet_CIFAR`` computes its first stage at the size of the image, where a
    processor spends most of its time, and ``ResNet`` at a quarter of its sides, which leaves little
    of such an image. Here three stages leave an eighth of the sides.

    Args:
        depth (int): 18, 34, 50, 101 or 152. Defaults to 18.
        base_channels (int): Width of the first stage; it doubles in every later one. Defaults
            to 32.
        num_stages (int): How many of the four stages are built. Defaults to 3.
        stem_channels (int, optional): Width of the stem. Defaults to ``base_channels``.
        strides (Sequence[int]): Of each stage. Defaults to (1, 2, 2).
        dilations (Sequence[int]): Of each stage. Defaults to (1, 1, 1).
        out_indices (Sequence[int]): Stages whose output is returned. Defaults to (2,).
        zero_init_residual (bool): Whether residual branches start at zero. Defaults to False: from
            scratch, all take part from the start.
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

    def _make_stem_layer(self, in_channels: int, base_channels: int) -> None:
        self.conv1 = build_conv_layer(
            self.conv_cfg, in_channels, base_channels, 5, stride=2, padding=2, bias=False
        )
        self.norm1_name, norm = build_norm_layer(self.norm_cfg, base_channels, postfix=1)
        self.add_module(self.norm1_name, norm)
        self.relu = nn.ReLU(inplace=True)

    def switch_to_deploy(self) -> None:
        """Merge BatchNorm into the convolutions, for inference; what is computed stays the same."""
        fuse_conv_bn(self)
        self.deploy = True
