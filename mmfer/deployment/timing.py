# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Times of several functions that take turns, so that a busy machine slows all of them alike."""

import platform
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Timing:
    """Seconds of a call.

    Attributes:
        median: Of all rounds.
        low: The lower quartile.
        high: The upper quartile.
        speed_up: Median over the rounds of the first function's time divided by this one's.
    """

    median: float
    low: float
    high: float
    speed_up: float

    def to_dict(self) -> dict[str, float]:
        return asdict(self)


def take_turns(
    functions: Mapping[str, Callable[[], object]], rounds: int, warm_up: int = 2
) -> dict[str, Timing]:
    """Time functions in turns.

    Args:
        functions: By name; each is called without arguments and waits for its result. The first is
            what the others are compared with.
        rounds: How often each is timed, at least 2.
        warm_up: Calls before, not timed. Default 2.
    """
    for function in functions.values():
        for _ in range(warm_up):
            function()
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(rounds):
        for name, function in functions.items():
            begin = time.perf_counter()
            function()
            seconds[name].append(time.perf_counter() - begin)
    first = next(iter(seconds.values()))
    timings = {}
    for name, values in seconds.items():
        low, median, high = statistics.quantiles(values, n=4, method='inclusive')
        ratios = [slow / fast for slow, fast in zip(first, values, strict=True)]
        timings[name] = Timing(median, low, high, statistics.median(ratios))
    return timings


def machine() -> str:
    """The processor, as it calls itself."""
    try:
        lines = Path('/proc/cpuinfo').read_text().splitlines()
    except OSError:  # no Linux
        lines = []
    names = [line.split(':', 1)[1].strip() for line in lines if line.startswith('model name')]
    return names[0] if names else platform.processor() or platform.machine()
