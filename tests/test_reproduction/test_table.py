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
    """Results of plain and pooled in the first column; a list is one value for each seed."""
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
    # Nothing is done on AffectNet yet.
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


def test_trend_that_the_paper_itself_has_not():
    found = results(STAND_IN, plain=[60, 60], pooled=[62, 63])
    published = {**PUBLISHED, 'pooled': {'RAF-DB': 89.0, 'AffectNet': 67.0}}
    divided = Results(TABLE, STAND_IN, published, found.measured)
    assert divided.trend('pooled', STAND_IN[0]) == 'paper divided'


def test_gains_are_taken_seed_by_seed():
    found = Results(
        TABLE,
        OWN,
        PUBLISHED,
        {('plain', 'RAF-DB'): {0: 10.0, 2: 30.0}, ('pooled', 'RAF-DB'): {1: 7.0, 2: 31.0, 0: 12.0}},
    )
    assert sorted(found.gains('pooled', 'RAF-DB')) == [1.0, 2.0]


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
