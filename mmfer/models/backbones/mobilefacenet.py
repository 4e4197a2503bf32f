# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from collections.abc import Sequence

import torch.nn as nn
from mmcv.cnn import ConvModule
from torch import Tensor

from mmfer.registry import MODELS

from .staged_net import StagedNet


def conv_bn(
    in_channels: int,
    out_channels: int,
    kernel_size: int = 1,
    stride: int = 1,
    groups: int = 1,
    prelu: bool = True,
) -> ConvModule:
    """Build a convolution without bias, BN and, with ``prelu``, PReLU with a slope per channel."""
    return ConvModule(
        in_channels,
        out_channels,
        kernel_size,
        stride,
        padding=kernel_size // 2,
        groups=groups,
        norm_cfg=dict(type='BN'),
        act_cfg=dict(type='PReLU', num_parameters=out_channels) if prelu else None,
    )


class Bottleneck(nn.Module):
    """Inverted residual block of MobileFaceNet: expand, depthwise 3x3 convolution, project.

    Args:
        in_channels (int): Channels of the input.
        hidden_channels (int): Channels of the depthwise convolution.
        out_channels (int): Channels of the output, which has no activation.
        stride (int): Stride of the depthwise convolution. With 1 the input is added to the output.
    """

    def __init__(self, in_channels: int, hidden_channels: int, out_channels: int, stride: int):
        super().__init__()
        self.residual = stride == 1
        self.expand = conv_bn(in_channels, hidden_channels)
        self.depthwise = conv_bn(hidden_channels, hidden_channels, 3, stride, hidden_channels)
        self.project = conv_bn(hidden_channels, out_channels, prelu=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, in, H, W)`` to ``(B, out, H / stride, W / stride)``."""
        out = self.project(self.depthwise(self.expand(x)))
        return x + out if self.residual else out


@MODELS.register_module()
class MobileFaceNet(StagedNet):
    """Small backbone for face recognition (Chen et al. 2018, "MobileFaceNets", Table 1).

    For a 112x112 image, the stages output 64 channels on 28x28, 128 on 14x14, 128 on 7x7, and (by
    a 1x1 convolution) 512 on 7x7. The depthwise 7x7 and the linear layer of the embedding, which
    only recognition needs, are omitted. The default, two stages, outputs the 14x14 patches of
    APViT.

    Args:
        num_stages (int): Number of stages to build, 1 to 4. Defaults to 2.
        out_indices (Sequence[int], optional): Indices of the stages whose output is returned,
            from 0. Defaults to the last stage.
        arch (str | dict): ``'base'`` (default) is the paper's net. ``'mbf'`` is the InsightFace net
            of this name, with twice the channels between blocks and the same ones inside. A dict
            describes any other net; ``tools/model_converters/mobilefacenet_to_mmfer.py`` prints
            one. Its keys: ``stem_channels``; ``stem_groups``, of the stem's second convolution;
            ``stages``, for each of the first three stages its channels, the hidden channels of its
            first block, those of its other blocks, and its number of blocks; ``last_channels``, of
            the 1x1 convolution.
        frozen_stages (int): Freeze the stem and the first ``frozen_stages`` stages: no gradients,
            eval mode. 0 freezes the stem only, -1 (default) nothing.
        norm_eval (bool): Keep all BatchNorm statistics fixed in training. Needed for weights from a
            file with folded BatchNorm, see ``mmfer.apis.mobilefacenet_onnx``. Defaults to False.
        deploy (bool): Build the inference form, see :meth:`switch_to_deploy`. Defaults to False.
        init_cfg (dict | list[dict], optional): Initialization. Defaults to Kaiming normal (fan-out)
            for convolutions, as in the public ports; BatchNorm starts with weight 1 and bias 0,
            PReLU with slope 0.25.
    """

    ARCHS = {
        'base': dict(
            stem_channels=64,
            stem_groups=64,
            stages=((64, 128, 128, 5), (128, 256, 256, 7), (128, 512, 256, 3)),
            last_channels=512,
        ),
        'mbf': dict(
            stem_channels=128,
            stem_groups=64,
            stages=((128, 128, 128, 5), (256, 256, 256, 7), (256, 512, 256, 3)),
            last_channels=512,
        ),
    }

    def __init__(
        self,
        num_stages: int = 2,
        out_indices: Sequence[int] | None = None,
        arch: str | dict = 'base',
        frozen_stages: int = -1,
        norm_eval: bool = False,
        deploy: bool = False,
        init_cfg: dict | list[dict] | None = None,
    ):
        if not 1 <= num_stages <= 4:
            raise ValueError(f'MobileFaceNet num_stages must be 1 to 4, got {num_stages}')
        arch = self._arch_settings(arch)
        if init_cfg is None:
            init_cfg = dict(type='Kaiming', layer='Conv2d')
        width = arch['stem_channels']
        stem = nn.Sequential(
            conv_bn(3, width, 3, stride=2),
            conv_bn(width, width, 3, groups=arch['stem_groups']),
        )
        stages = []
        for channels, first, others, num_blocks in arch['stages'][:num_stages]:
            blocks = [Bottleneck(width, first, channels, stride=2)]
            blocks += [Bottleneck(channels, others, channels, 1) for _ in range(num_blocks - 1)]
            stages.append(nn.Sequential(*blocks))
            width = channels
        if num_stages == 4:
            stages.append(nn.Sequential(conv_bn(width, arch['last_channels'])))
        super().__init__(stem, stages, out_indices, frozen_stages, norm_eval, deploy, init_cfg)

    @classmethod
    def _arch_settings(cls, arch: str | dict) -> dict:
        needed = cls.ARCHS['base'].keys()
        if isinstance(arch, dict):
            if arch.keys() != needed:
                raise ValueError(
                    f'MobileFaceNet arch as a dict needs the keys {sorted(needed)}, got {arch}'
                )
            if len(arch['stages']) != 3 or any(len(stage) != 4 for stage in arch['stages']):
                raise ValueError(
                    'MobileFaceNet arch.stages needs four numbers for each of three stages, got '
                    f'{arch["stages"]}'
                )
            return arch
        if arch not in cls.ARCHS:
            raise ValueError(
                f'MobileFaceNet arch must be one of {tuple(cls.ARCHS)} or a dict, got {arch!r}'
            )
        return cls.ARCHS[arch]
