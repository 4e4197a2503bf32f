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

    bfloat16 has the exponent range of float32, so unlike float16 it needs no loss scaling. It also
    works on CPUs, which MMEngine's ``AmpOptimWrapper`` does not support. Weights, gradients and
    optimizer state stay in float32. Arguments are those of :class:`mmengine.optim.OptimWrapper`.
    """

    @contextmanager
    def optim_context(self, model: nn.Module):
        device = torch.device(get_device()).type
        with super().optim_context(model), torch.autocast(device, dtype=torch.bfloat16):
            yield
