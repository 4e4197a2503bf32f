# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import csv
import io

import pytest

from mmfer.reproduction.index import Experiment
from mmfer.reproduction.table import Column, Results, to_csv, to_markdown

TABLE = Experiment(
    'table1',
    'Poolings',
    ('RAF-DB', 'AffectNet'),
    {'plain': ('no',), 'pooled': ('yes',)},
    label=('pooling',),
    cost='share',
    reference='plain',
)
PUBLISHED = {
    'plain': {'RAF-DB': 90.0, 'AffectNet': 66.0, 'share': 100},
    'pooled': {'RAF-DB': 92.0, 'AffectNet': 66.5, 'share': 83},
}
OWN = [Column('RAF-DB', ('RAF-DB',)), Column('AffectNet', ('AffectNet',))]
STAND_IN = [Column('SynthFace', ('RAF-DB', 'AffectNet'), stands_in=True)]


def results(columns, **measured):
    """Create results of the rows plain and pooled in the first column; a list has one per seed."""
    values = {(row, columns[0].name): dict(enumerate(v)) for row, v in measured.items()}
    gflops = {'plain': 15.0, 'pooled': 12.0}
    return Results(TABLE, columns, PUBLISHED, values, gflops)


def cells(line):
    return [cell.strip() for cell in line.strip('|').split('|')]


def test_paper_beside_measured():
    header, rule, plain, pooled = to_markdown(
        results(OWN, plain=[90.0, 91.0], pooled=[93.0, 95.0])
    ).splitlines()
    assert cells(header)[:7] == [
        *('pooling', 'RAF-DB', 'paper', 'difference', 'gain', 'RAF-DB, gain in paper', 'trend')
    ]
    assert cells(plain)[:4] == ['no', '90.50 ± 0.71', '90.00', '+0.50']
    assert cells(pooled)[1:7] == [
        *('94.00 ± 1.41', '92.00', '+2.00', '+3.50 ± 0.71', '+2.00', 'as published')
    ]
    # No run on AffectNet is finished.
    assert cells(pooled)[7:10] == ['-', '66.50', '']
    assert cells(pooled)[-2:] == ['80.00', '83.00']
    assert len({len(line) for line in (header, rule, plain, pooled)}) == 1


def test_values_on_other_data_are_not_compared():
    header, _, plain, pooled = to_markdown(results(STAND_IN, plain=[50], pooled=[51])).splitlines()
    assert 'difference' not in header
    assert cells(header)[1:5] == ['SynthFace', 'gain', 'RAF-DB, paper', 'AffectNet, paper']
    assert cells(pooled)[1:5] == ['51.00', '+1.00', '92.00', '66.50']
    assert ',50.0000,' in to_csv(results(STAND_IN, plain=[50], pooled=[51]))


@pytest.mark.parametrize(
    ('pooled', 'trend'),
    [
        ([62, 63, 61], 'as published'),
        ([58, 57, 59], 'opposite'),
        ([60, 63, 58], 'within the spread'),
        ([61], 'one seed'),
        ([], ''),
    ],
)
def test_trend(pooled, trend):
    found = results(STAND_IN, plain=[60, 60, 60], pooled=pooled)
    assert found.trend('pooled', STAND_IN[0]) == trend
    assert found.trend('plain', STAND_IN[0]) == ''


def test_trend_that_the_paper_itself_lacks():
    found = results(STAND_IN, plain=[60, 60], pooled=[62, 63])
    published = {**PUBLISHED, 'pooled': {'RAF-DB': 89.0, 'AffectNet': 67.0}}
    divided = Results(TABLE, STAND_IN, published, found.measured)
    assert divided.trend('pooled', STAND_IN[0]) == 'paper divided'


def test_gains_are_computed_per_seed():
    found = Results(
        TABLE,
        OWN,
        PUBLISHED,
        {('plain', 'RAF-DB'): {0: 10.0, 2: 30.0}, ('pooled', 'RAF-DB'): {1: 7.0, 2: 31.0, 0: 12.0}},
    )
    assert sorted(found.gains('pooled', OWN[0])) == [1.0, 2.0]


def test_only_costs():
    table = Results(TABLE, OWN, PUBLISHED, gflops={'plain': 15.0, 'pooled': 12.0}, has_runs=False)
    header, _, plain, pooled = to_markdown(table).splitlines()
    assert cells(header) == ['pooling', 'RAF-DB, paper', 'AffectNet, paper', 'FLOPs, %', 'paper']
    assert cells(plain) == ['no', '90.00', '66.00', '100.00', '100.00']
    assert cells(pooled) == ['yes', '92.00', '66.50', '80.00', '83.00']


def test_csv_has_every_seed():
    text = to_csv(results(OWN, plain=[90.0, 91.0], pooled=[93.0]))
    rows = {(row['row'], row['column']): row for row in csv.DictReader(io.StringIO(text))}
    plain = rows['plain', 'RAF-DB']
    assert plain['values'] == '90.0000 91.0000' and plain['seeds'] == '0 1'
    assert (plain['paper'], plain['mean'], plain['sd']) == ('90.0', '90.5000', '0.7071')
    assert plain['difference'] == '0.5000'
    assert rows['pooled', 'RAF-DB']['sd'] == ''
    assert rows['pooled', 'AffectNet']['mean'] == ''
    assert rows['pooled', 'share']['mean'] == '80.0000'
    assert rows['pooled', 'share']['difference'] == '-3.0000'


PAIRS = Experiment(
    'kt-table3',
    'Age',
    ('UTKFace',),
    {'M': ('M',), 'M to M': ('M to M',), 'C to M': ('C to M',), 'best': ('best',)},
    label=('model',),
    reference={'M to M': 'M', 'C to M': 'M', 'best': 'M'},
    best_of={'best': ('M to M', 'C to M')},
    separate=True,
)
AGE = [Column('MAE', ('MAE',), metric='age/mae'), Column('CS@5', ('CS@5',), metric='age/cs@5')]
MEASURED = {
    ('M', 'MAE'): {0: 5.0, 1: 5.5},
    ('M to M', 'MAE'): {0: 4.5, 1: 4.8},
    ('C to M', 'MAE'): {0: 4.9, 1: 5.6},
    ('M', 'CS@5'): {0: 60.0, 1: 61.0},
    ('M to M', 'CS@5'): {0: 59.0, 1: 60.5},
    ('C to M', 'CS@5'): {0: 62.0, 1: 62.0},
}
AGES = {'M': {'MAE': 4.568}, 'M to M': {'MAE': 4.548}, 'best': {'MAE': 4.5}}


def test_lower_may_be_better():
    found = Results(PAIRS, AGE, AGES, MEASURED)
    assert found.gains('M to M', AGE[0]) == pytest.approx([0.5, 0.7])
    assert found.published_gain('M to M', 'MAE', 'age/mae') == pytest.approx(0.02)
    assert found.trend('M to M', AGE[0]) == 'as published'
    worse = {**MEASURED, ('M to M', 'MAE'): {0: 6.0, 1: 6.4}}
    assert Results(PAIRS, AGE, AGES, worse).trend('M to M', AGE[0]) == 'opposite'
    assert found.gains('M to M', AGE[1]) == pytest.approx([-1.0, -0.5])


def test_the_best_of_others_is_selected_in_each_column():
    found = Results(PAIRS, AGE, AGES, MEASURED)
    assert found.values('best', AGE[0]) == [4.5, 4.8]  # of "M to M"
    assert found.values('best', AGE[1]) == [62.0, 62.0]  # of "C to M"
    assert found.gains('best', AGE[1]) == [2.0, 1.0]
    # There is no best row before all are finished.
    part = {cell: values for cell, values in MEASURED.items() if cell != ('C to M', 'MAE')}
    assert Results(PAIRS, AGE, AGES, part).values('best', AGE[0]) == []


def test_columns_apart():
    text = to_markdown(Results(PAIRS, AGE, AGES, MEASURED))
    first, second = text.split('**CS@5**')
    lines = first.splitlines()
    assert lines[0] == '**MAE** (age/mae, lower is better)'
    heading = ['model', 'measured', 'paper', 'difference', 'gain', 'gain in paper', 'trend']
    assert cells(lines[2]) == heading
    assert cells(lines[4]) == ['M', '5.250 ± 0.354', '4.568', '+0.682', '', '', '']
    assert cells(lines[5])[3:] == ['+0.102', '+0.600 ± 0.141', '+0.020', 'as published']
    assert cells(lines[6])[2:] == ['-', '', '+0.000 ± 0.141', '-', '']
    assert '-0.75 ± 0.35' in second


def test_without_comparison_nothing_of_the_paper_is_there():
    alone = [Column('MAE', (), metric='age/mae')]
    text = to_markdown(Results(PAIRS, alone, AGES, MEASURED))
    assert 'paper' not in text and '4.548' not in text and '+0.600' in text
    assert '4.548' not in to_csv(Results(PAIRS, alone, AGES, MEASURED))


def test_misprints_are_marked():
    marks = frozenset([('M to M', 'MAE'), ('C to M', '')])
    text = to_markdown(Results(PAIRS, AGE, AGES, MEASURED, misprints=marks))
    assert '4.548†' in text and '| C to M†' in text and text.count('†') == 3
