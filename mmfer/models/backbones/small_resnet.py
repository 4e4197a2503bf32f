# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import torch.nn as nn
from mmcv.cnn import build_conv_layer, build_norm_layer, fuse_conv_bn
from mmpretrain.models.backbones import ResNet_CIFAR

from mmfer.registry import MODELS


@MODELS.register_module()
class SmallImageResNet(ResNet_CIFAR):
    """A ResNet for images of 48 to 64 pixels: a 5x5 stem of stride 2, and no max pooling.

    mmpretrain's ``ResNet_CIFAR`` computes its first stage at the size of the image, where a
    processor spends most of its time, and ``ResNet`` at a quarter of its sides, which leaves little
    of such an image. The arguments are theirs; with ``strides=(1, 2, 2)`` three stages leave an
    eighth of the sides.
    """

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
