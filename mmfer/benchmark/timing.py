# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Timing things against each other.

They take turns, so that a machine that is busy for a while slows all of them alike, and ratios are
taken between medians or within a turn. ``torch.utils.benchmark`` runs one thing to the end before
the next and warms up every time; to import it prints warnings about compilers.
"""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch


def wall_clock() -> float:
    """Seconds, once the GPU, where there is one, has done all that it was given."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


#: Seconds by name. ``wall``: :func:`wall_clock`, so that what the host spends on launching kernels
#: is in the time as well. ``cpu``: what this process computed, which leaves out the waiting for a
#: core where others want it too; on one thread of an idle machine both are the same.
CLOCKS: dict[str, Callable[[], float]] = {'wall': wall_clock, 'cpu': time.process_time}


@dataclass(frozen=True)
class Measurement:
    """How long something took.

    Attributes:
        times (list[float]): Seconds, in the order measured.
    """

    times: list[float]

    @property
    def median(self) -> float:
        return statistics.median(self.times)

    @property
    def iqr(self) -> float:
        """Distance of the quartiles, which are interpolated linearly."""
        low, high = np.quantile(self.times, (0.25, 0.75))
        return float(high - low)


@dataclass(frozen=True)
class Ratio:
    """How many times as long one thing takes as another.

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
    """Time several things in turn.

    Args:
        runs (Mapping[str, Callable[[], Any]]): What is called, by name. Gradients are off; a
            training step turns them on itself.
        turns (int): How often each is timed, at least 1.
        warm_up (int): How often each is called before, untimed: memory is taken, kernels are
            chosen, graphs compiled. Defaults to 1.
        clock (Callable[[], float]): Seconds, see :data:`CLOCKS`. Defaults to those of the wall.

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
        # Every other turn backwards: nothing always comes after the same neighbor.
        for name in names if turn % 2 == 0 else reversed(names):
            begin = clock()
            runs[name]()
            times[name].append(clock() - begin)
    return {name: Measurement(values) for name, values in times.items()}


def ratio(measured: Measurement, against: Measurement) -> Ratio:
    """How many times as long as ``against`` something took in the same turns."""
    pairs = [a / b for a, b in zip(measured.times, against.times, strict=True)]
    return Ratio(measured.median / against.median, min(pairs), max(pairs))
