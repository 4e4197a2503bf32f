# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Activation checkpointing: less memory in training, at the cost of one more forward pass."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint


@contextmanager
def keep_statistics(module: nn.Module) -> Iterator[None]:
    """Let BatchNorm normalize by batch statistics without updating its running statistics."""
    norms = [m for m in module.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]
    before = [(norm, norm.momentum, norm.num_batches_tracked.clone()) for norm in norms]
    for norm in norms:
        norm.momentum = 0.0  # weight of the batch in the running statistics
    try:
        yield
    finally:
        for norm, momentum, count in before:
            norm.momentum = momentum
            norm.num_batches_tracked.copy_(count)


def run_checkpointed(module: nn.Module, *inputs: Any) -> Any:
    """Call a module, store only its inputs, and recompute the rest in the backward pass.

    Outputs, gradients, random numbers and BatchNorm's running statistics are those of a normal
    call. mmpretrain's backbones, MMEngine's ``activation_checkpointing`` and PyTorch's
    ``checkpoint_wrapper`` instead update the statistics again when they recompute. If the model is
    compiled, this module is still run uncompiled in training. Hooks inside the module are called
    twice.

    Args:
        module (nn.Module): The module.
        inputs: Its inputs, tensors or plain values.

    Returns:
        Any: The output of the module, a tensor or a tuple with tensors.
    """
    return _checkpoint(module, inputs) if torch.is_grad_enabled() else module(*inputs)


@torch.compiler.disable  # torch.compile does not support ``context_fn`` and would raise
def _checkpoint(module: nn.Module, inputs: tuple) -> Any:
    return checkpoint(
        module,
        *inputs,
        use_reentrant=False,
        context_fn=lambda: (nullcontext(), keep_statistics(module)),
    )
