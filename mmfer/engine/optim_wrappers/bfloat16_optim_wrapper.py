# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from contextlib import contextmanager

import torch
from mmengine.device import get_device
from mmengine.optim import OptimWrapper
from torch import nn

from mmfer.registry import OPTIM_WRAPPERS


@OPTIM_WRAPPERS.register_module()
class BFloat16OptimWrapper(OptimWrapper):
    """Mixed precision in bfloat16, on any device.

    bfloat16 has the exponent range of float32, so unlike float16 it needs no loss scaling, and the
    CPU has it too (MMEngine's ``AmpOptimWrapper`` refuses the CPU). Weights, gradients and the
    optimizer stay in float32. The arguments are those of :class:`mmengine.optim.OptimWrapper`.
    """

    @contextmanager
    def optim_context(self, model: nn.Module):
        device = torch.device(get_device()).type
        with super().optim_context(model), torch.autocast(device, dtype=torch.bfloat16):
            yield
