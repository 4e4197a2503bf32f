# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Activation checkpointing: less memory in training for one more forward pass."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint


@contextmanager
def keep_statistics(module: nn.Module) -> Iterator[None]:
    """BatchNorm in training mode goes on normalizing by its batch, but does not remember it."""
    norms = [m for m in module.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]
    before = [(norm, norm.momentum, norm.num_batches_tracked.clone()) for norm in norms]
    for norm in norms:
        norm.momentum = 0.0  # the share of the batch in the statistics
    try:
        yield
    finally:
        for norm, momentum, count in before:
            norm.momentum = momentum
            norm.num_batches_tracked.copy_(count)


def run_checkpointed(module: nn.Module, *inputs: Any) -> Any:
    """Call a part of a net and keep its inputs only; the rest is computed again for gradients.

    Outputs, gradients, random numbers and BatchNorm's running statistics are those of an ordinary
    call. mmpretrain's backbones, MMEngine's ``activation_checkpointing`` and PyTorch's
    ``checkpoint_wrapper`` update the statistics a second time when they compute again. In the
    training of a compiled model the part is run as it is, not compiled. Hooks inside the part are
    called both times.

    Args:
        module (nn.Module): The part.
        inputs: Its inputs, tensors or plain values.

    Returns:
        What the part returns: a tensor or a tuple with tensors.
    """
    return _checkpoint(module, inputs) if torch.is_grad_enabled() else module(*inputs)


@torch.compiler.disable  # the compiler knows no ``context_fn`` and would end the training
def _checkpoint(module: nn.Module, inputs: tuple) -> Any:
    return checkpoint(
        module,
        *inputs,
        use_reentrant=False,
        context_fn=lambda: (nullcontext(), keep_statistics(module)),
    )
