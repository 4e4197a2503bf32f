# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import torch
from torch import nn

_DEVIATION = 0.02


@torch.no_grad()
def shake_weights(model: nn.Module, seed: int = 0) -> None:
    """Move every weight of a fresh model a little, and the statistics of its BatchNorm a lot.

    Fresh weights hide mistakes: class token, position embedding and the last norm of a KT-Adapter
    begin as zeros, so what comes before them reaches no output, and BatchNorm begins as the
    identity.

    Args:
        model: Changed in place.
        seed: Of the numbers drawn; the global generator is left alone.
    """
    generator = torch.Generator().manual_seed(seed)
    for value in model.parameters():
        noise = torch.randn(value.shape, generator=generator) * _DEVIATION
        value.add_(noise.to(value))
    for part in model.modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm) and part.track_running_stats:
            mean = torch.randn(part.num_features, generator=generator) * 0.1
            part.running_mean.add_(mean.to(part.running_mean))
            scale = 0.75 + 0.5 * torch.rand(part.num_features, generator=generator)
            part.running_var.mul_(scale.to(part.running_var))
