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
    """A convolution without bias, BN and, unless it is a linear one, PReLU of one slope each."""
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
    """The inverted residual of MobileFaceNet: to more channels, a depthwise 3x3, and back.

    Args:
        in_channels (int): Channels of the input.
        hidden_channels (int): Channels of the depthwise convolution.
        out_channels (int): Channels of the output, which has no activation.
        stride (int): Of the depthwise convolution. With 1 the input is added.
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
    """The small net of face recognition (Chen et al. 2018, "MobileFaceNets", Table 1).

    An image of 112x112 becomes, by stage, 64 channels on 28x28, 128 on 14x14, 128 on 7x7, and 512
    on 7x7 by a 1x1 convolution. The depthwise 7x7 and the linear layer of the embedding, which only
    recognition needs, are left out. The default makes the 14x14 patches of APViT.

    Args:
        num_stages (int): How many of the four stages are built, 1 to 4. Defaults to 2.
        out_indices (Sequence[int], optional): Stages whose output is returned, from 0. Defaults to
            the last one.
        arch (str | dict): ``'base'`` (default) is the paper's net. ``'mbf'`` is InsightFace's of
            this name, with twice the channels between blocks and the same ones inside. A dict
            for others, such as ``tools/model_converters/mobilefacenet_to_mmfer.py`` prints it, has
            ``stem_channels``; ``stem_groups``, of the stem's second convolution; ``stages``, for
            each of the first three its channels, the hidden channels of its first block and of the
            others, and how many blocks it has; and ``last_channels``, of the 1x1 convolution.
        frozen_stages (int): The stem (0) and this many stages get no gradient and stay in eval
            mode. -1 (default) freezes nothing.
        norm_eval (bool): Keep all BatchNorm statistics fixed in training. Weights from a file
            whose BatchNorm is folded need it, see ``mmfer.apis.mobilefacenet_onnx``. Defaults to
            False.
        deploy (bool): Build the form for inference, see :meth:`switch_to_deploy`. Defaults to
            False.
        init_cfg (dict | list[dict], optional): Initialization. Defaults to Kaiming normal of the
            outputs for convolutions, as in the public ports; BatchNorm starts at weight 1, bias 0
            and PReLU at slope 0.25.
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
                    f'MobileFaceNet arch as a dict has the keys {sorted(needed)}, got {arch}'
                )
            if len(arch['stages']) != 3 or any(len(stage) != 4 for stage in arch['stages']):
                raise ValueError(
                    'MobileFaceNet arch.stages has four numbers for each of three stages, got '
                    f'{arch["stages"]}'
                )
            return arch
        if arch not in cls.ARCHS:
            raise ValueError(
                f'MobileFaceNet arch must be one of {tuple(cls.ARCHS)} or a dict, got {arch!r}'
            )
        return cls.ARCHS[arch]
