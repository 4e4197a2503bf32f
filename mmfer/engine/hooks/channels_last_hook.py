# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import torch
from mmengine.hooks import Hook

from mmfer.registry import HOOKS


@HOOKS.register_module()
class ChannelsLastHook(Hook):
    """Convert the model to the channels-last memory format.

    CPUs, and GPUs in half precision, compute convolutions in this format. Results are the same up
    to rounding. Images need no conversion: a convolution uses the format of its weight.
    """

    def before_run(self, runner) -> None:
        runner.model.to(memory_format=torch.channels_last)
