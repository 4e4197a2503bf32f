# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""How much memory something takes at its height."""

from collections.abc import Callable
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

_EVENT = '[memory]'


def peak_memory(run: Callable[[], Any], device: str | torch.device = 'cpu') -> int:
    """Bytes that tensors take at the most while something runs, beyond those there before.

    On a GPU the caching allocator keeps this account. On a CPU the profiler's record of every
    allocation is added up; memory that libraries take past PyTorch's allocator is not in it.

    Args:
        run: What is called, once. What it took and keeps at first call, such as gradients, counts.
        device: Where it runs. Default ``'cpu'``.
    """
    device = torch.device(device)
    if device.type == 'cuda':
        torch.cuda.synchronize(device)
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        run()
        torch.cuda.synchronize(device)
        return torch.cuda.max_memory_allocated(device) - before
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True, acc_events=True) as record:
        run()
    events = [e for e in record.profiler.kineto_results.events() if e.name() == _EVENT]
    held = peak = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        held += event.nbytes()
        peak = max(peak, held)
    return peak
