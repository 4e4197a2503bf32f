# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import contextlib
import threading
from collections.abc import Iterator

from torch import nn
from torch.nn.modules.module import register_module_parameter_registration_hook


@contextlib.contextmanager
def at_most(limit: int) -> Iterator[None]:
    """Refuse to build models of more weights, before their memory is used.

    A config that came with weights may ask for more than any machine has.

    Args:
        limit (int): Numbers in all weights that this thread makes meanwhile.

    Raises:
        ValueError: There are more.
    """
    thread, made = threading.get_ident(), 0

    def count(module: nn.Module, name: str, weight: nn.Parameter) -> None:
        nonlocal made
        if threading.get_ident() == thread:
            made += weight.numel()
        if made > limit:
            raise ValueError(f'the model has more than {limit} weights; the file has less')

    handle = register_module_parameter_registration_hook(count)
    try:
        yield
    finally:
        handle.remove()
