# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Time functions against each other.

The functions take turns, so a temporary load of the machine slows all of them equally. Ratios are
computed between medians or within a turn. ``torch.utils.benchmark`` is not used: it finishes one
function before the next and warms up every time, and its import prints warnings about compilers.
"""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch


def wall_clock() -> float:
    """Return the time in seconds, after waiting for the GPU, if there is one."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


#: Clocks by name; all return seconds. ``wall``: :func:`wall_clock`, which includes the time for
#: launching kernels. ``cpu``: CPU time of this process, which excludes waiting for a core on a busy
#: machine. With one thread on an idle machine, both are the same.
CLOCKS: dict[str, Callable[[], float]] = {'wall': wall_clock, 'cpu': time.process_time}


@dataclass(frozen=True)
class Measurement:
    """Measured times of a function.

    Attributes:
        times (list[float]): Seconds per call, in order of measurement.
    """

    times: list[float]

    @property
    def median(self) -> float:
        return statistics.median(self.times)

    @property
    def iqr(self) -> float:
        """Interquartile range; quartiles are interpolated linearly."""
        low, high = np.quantile(self.times, (0.25, 0.75))
        return float(high - low)


@dataclass(frozen=True)
class Ratio:
    """Ratio of the times of two functions.

    Attributes:
        value (float): Ratio of the medians.
        low (float): Smallest ratio within a turn.
        high (float): Largest ratio within a turn.
    """

    value: float
    low: float
    high: float


@torch.no_grad()
def interleave(
    runs: Mapping[str, Callable[[], Any]],
    turns: int,
    warm_up: int = 1,
    clock: Callable[[], float] = wall_clock,
) -> dict[str, Measurement]:
    """Time several functions in turns.

    Args:
        runs (Mapping[str, Callable[[], Any]]): Functions by name. Gradients are disabled; a
            training step has to enable them.
        turns (int): Timed calls per function, at least 1.
        warm_up (int): Untimed calls per function before, which allocate memory, select kernels and
            compile graphs. Defaults to 1.
        clock (Callable[[], float]): One of :data:`CLOCKS`. Defaults to :func:`wall_clock`.

    Returns:
        The times by name.

    Raises:
        ValueError: ``turns`` is less than 1.
    """
    if turns < 1:
        raise ValueError(f'turns must be at least 1, got {turns}')
    for run in runs.values():
        for _ in range(warm_up):
            run()
    times = {name: [] for name in runs}
    names = list(runs)
    for turn in range(turns):
        # Every other turn is reversed, so that no function always follows the same one.
        for name in names if turn % 2 == 0 else reversed(names):
            begin = clock()
            runs[name]()
            times[name].append(clock() - begin)
    return {name: Measurement(values) for name, values in times.items()}


def ratio(measured: Measurement, against: Measurement) -> Ratio:
    """Return the ratio of ``measured`` to ``against``, timed in the same turns."""
    pairs = [a / b for a, b in zip(measured.times, against.times, strict=True)]
    return Ratio(measured.median / against.median, min(pairs), max(pairs))
