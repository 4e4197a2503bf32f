# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import pytest
from shipped_configs import read_config

from mmfer.benchmark.regression import Check, check_adapter, check_pooling, check_table
from mmfer.benchmark.timing import CLOCKS, Ratio


@pytest.mark.parametrize(
    ('value', 'at_least', 'met'),
    [(1.1, True, True), (0.9, True, False), (1.1, False, False), (0.9, False, True)],
)
def test_a_bound_from_below_or_above(value, at_least, met):
    row = Check('fast / slow', Ratio(value, 0.5, 2.0), 1.0, at_least)
    assert row.met == met
    line = check_table([row]).splitlines()[-1]
    assert line.split()[-2] == ('yes' if met else 'NO')
    assert ('>= 1.00' if at_least else '<= 1.00') in line
    assert f'{value:.3f} (0.500 to 2.000)' in line


def test_models_without_the_part_that_is_measured():
    deit = read_config('deit-micro_1xb16-12e_synthface-64px')
    with pytest.raises(ValueError, match='model.backbone.app'):
        check_pooling(deit, 'eager', 2, 1, CLOCKS['cpu'])
    with pytest.raises(ValueError, match='model.neck'):
        check_adapter(deit, 1, CLOCKS['cpu'])
