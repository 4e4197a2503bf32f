# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import pytest

from mmfer.deployment import timing


@pytest.fixture
def clock(monkeypatch):
    """A clock that functions move themselves."""

    class Clock:
        now = 0.0

    monkeypatch.setattr(timing.time, 'perf_counter', lambda: Clock.now)
    return Clock


def test_turns_and_ratios(clock):
    """The machine gets slower from turn to turn; the ratio does not change."""
    calls = []

    def function(name, seconds):
        def call():
            calls.append(name)
            clock.now += seconds * (1 + len(calls) // 2)

        return call

    timings = timing.take_turns({'a': function('a', 3.0), 'b': function('b', 1.0)}, 3, warm_up=1)
    assert ''.join(calls) == 'ab' + 'ababab'
    # calls 3 to 8: a takes 3 * (2, 3, 4), b takes 1 * (3, 4, 5)
    assert timings['a'].median == 9 and timings['b'].median == 4
    assert (timings['a'].low, timings['a'].high) == (7.5, 10.5)
    assert timings['a'].speed_up == 1
    assert timings['b'].speed_up == pytest.approx(9 / 4)


def test_the_machine_has_a_name():
    assert timing.machine()
