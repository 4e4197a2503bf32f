# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any


def median_milliseconds(calls: Sequence[Callable[[], Any]], passes: int = 5) -> list[float]:
    """Time calls against each other.

    They take turns, so that what keeps the machine busy for a moment hits all of them, behind one
    pass each that is not counted.

    Args:
        calls: They return when their work is done.
        passes: How many of each are counted. Default 5.

    Returns:
        The median of each, milliseconds.
    """
    times: list[list[float]] = [[] for _ in calls]
    for number in range(passes + 1):
        for call, seconds in zip(calls, times, strict=True):
            start = time.perf_counter()
            call()
            if number:
                seconds.append(time.perf_counter() - start)
    return [1000 * statistics.median(seconds) for seconds in times]
