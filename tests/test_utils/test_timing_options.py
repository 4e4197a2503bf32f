# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import argparse

import pytest

from mmfer.benchmark.timing import CLOCKS
from mmfer.utils.timing_options import add_timing_options


@pytest.fixture
def parser():
    parser = argparse.ArgumentParser()
    add_timing_options(parser, turns=3)
    return parser


def test_defaults(parser):
    assert vars(parser.parse_args([])) == dict(turns=3, clock='wall', threads=1, json=None)


def test_every_clock_can_be_selected(parser):
    (action,) = (action for action in parser._actions if action.dest == 'clock')
    assert list(action.choices) == list(CLOCKS)


@pytest.mark.parametrize('option', ['--turns', '--threads'])
@pytest.mark.parametrize('value', ['0', '-2', '1.5', 'many'])
def test_wrong_numbers(parser, option, value, capsys):
    with pytest.raises(SystemExit) as stopped:
        parser.parse_args([f'{option}={value}'])
    assert stopped.value.code == 2
    message = f'{option}: must be an integer >= 1, got {value!r}'
    assert message in capsys.readouterr().err
