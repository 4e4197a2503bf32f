# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import torch
from mmengine.hooks import Hook

from mmfer.registry import HOOKS


@HOOKS.register_module()
class ChannelsLastHook(Hook):
    """Keep the weights of convolutions, and so their maps, with the channels innermost.

    That is the order in which processors and half-precision GPUs compute convolutions; results are
    the same up to rounding. Images need no conversion: a convolution follows its weight.
    """

    def before_run(self, runner) -> None:
        runner.model.to(memory_format=torch.channels_last)
