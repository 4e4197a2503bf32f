# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import contextlib
import threading
from collections.abc import Iterator

from torch import nn
from torch.nn.modules.module import register_module_parameter_registration_hook


@contextlib.contextmanager
def at_most(limit: int) -> Iterator[None]:
    """Limit the size of models built in this context, before their memory is used.

    The config in a checkpoint may describe a model larger than any memory.

    Args:
        limit (int): Largest total number of parameters that this thread may create.

    Raises:
        ValueError: A model has more parameters.
    """
    thread, made = threading.get_ident(), 0

    def count(module: nn.Module, name: str, weight: nn.Parameter) -> None:
        nonlocal made
        if threading.get_ident() == thread:
            made += weight.numel()
        if made > limit:
            raise ValueError(f'the model has more than {limit} parameters; the file has fewer')

    handle = register_module_parameter_registration_hook(count)
    try:
        yield
    finally:
        handle.remove()
