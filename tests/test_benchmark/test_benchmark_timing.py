# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import itertools

import pytest
import torch

from mmfer.benchmark.timing import interleave, ratio


class Clock:
    """A clock that advances only in calls of :meth:`run`'s functions."""

    def __init__(self):
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def run(self, *seconds, calls=None, name=None):
        """Return a function whose calls take the given seconds, in turn."""
        pending = itertools.cycle(seconds)

        def call():
            if calls is not None:
                calls.append(name)
            self.now += next(pending)

        return call


def test_median_spread_and_ratio():
    clock = Clock()
    runs = dict(slow=clock.run(4, 8, 6), fast=clock.run(2, 2, 4))
    times = interleave(runs, turns=3, warm_up=0, clock=clock)
    assert times['slow'].times == [4, 8, 6] and times['fast'].times == [2, 2, 4]
    assert times['slow'].median == 6 and times['slow'].iqr == 2
    compared = ratio(times['slow'], times['fast'])
    assert (compared.value, compared.low, compared.high) == (6 / 2, 6 / 4, 8 / 2)


def test_functions_take_turns_after_the_warm_up():
    clock, calls = Clock(), []
    runs = {name: clock.run(1, calls=calls, name=name) for name in 'abc'}
    times = interleave(runs, turns=3, warm_up=2, clock=clock)
    assert ''.join(calls) == 'aabbcc' + 'abc' + 'cba' + 'abc'
    assert all(len(measured.times) == 3 for measured in times.values())


def test_the_warm_up_is_not_timed():
    clock = Clock()
    times = interleave(dict(a=clock.run(100, 1, 1)), turns=2, clock=clock)
    assert times['a'].times == [1, 1]


def test_gradients_are_off():
    seen = []
    interleave(dict(a=lambda: seen.append(torch.is_grad_enabled())), turns=1, warm_up=0)
    assert seen == [False]


def test_no_turns():
    with pytest.raises(ValueError, match='turns .*0'):
        interleave({}, turns=0)
