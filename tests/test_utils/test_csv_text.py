# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import csv
import io

import numpy as np
import pytest

from mmfer.datasets.splits import read_split_file, write_split_file
from mmfer.evaluation.confusion_matrix_file import (
    read_confusion_matrix,
    write_confusion_matrix,
)
from mmfer.utils.csv_text import csv_text, plain_cell

FORMULAS = (
    *('=cmd|"/c calc"!A1', '@SUM(A1)', '+1+cmd', '-2+3+cmd', '\tx', '\r=1', '\n=1', '＝1+1'),
    *("'=1+1", "''=1+1", '-a.jpg', '=HYPERLINK("http://evil.org"),b', '=a\r=b'),
    *(' =1+1', '\xa0@SUM(A1)', '\ufeff=1+1', "' -a.jpg"),
)
HARMLESS = (
    *('a.jpg', "'a'", 'a=b', '', '-', '+', '=', 'ä/-b.jpg', '/a', '#1', 'a"=1'),
    *('a\r=1', 'a\n=1', 'a;=1', 'a\t=1'),
)
NUMBERS = (' -1', -1.5, 1e-5, -3, '-1.5', '+2', '-1e-05', np.float32(-1), '-inf', None, True)


def cells(text):
    return list(csv.reader(io.StringIO(text, newline='')))


@pytest.mark.parametrize('text', FORMULAS)
def test_formulas_become_text_and_are_read_back(text):
    ((cell,),) = cells(csv_text([[text]]))
    assert cell == f"'{text}" and plain_cell(cell) == text


@pytest.mark.parametrize('text', HARMLESS)
def test_other_texts_are_unchanged(text):
    ((cell, _),) = cells(csv_text([[text, 1]]))
    assert cell == text == plain_cell(cell)


def test_separators_of_other_countries_are_quoted():
    assert csv_text([['a;=1', -2]]) == '"a;=1","-2"\n'
    assert csv_text([['a', -2], ['b', None]]) == 'a,-2\nb,\n'


def test_numbers_stay_numbers():
    assert cells(csv_text([NUMBERS])) == [['' if n is None else str(n) for n in NUMBERS]]


def test_own_tables_are_read_back(tmp_path):
    names = [
        name for name in (*FORMULAS, *HARMLESS) if name.strip() == name and not {*'\r\n'} & {*name}
    ]
    names = [name for name in names if name and not name.startswith('#')]
    write_split_file(tmp_path / 'split.csv', [(name, 'test') for name in names])
    assert list(read_split_file(tmp_path / 'split.csv', str)) == names
    write_confusion_matrix(tmp_path / 'matrix.csv', np.eye(len(names), dtype=int), names)
    assert read_confusion_matrix(tmp_path / 'matrix.csv')[1] == tuple(names)
    for path in tmp_path.iterdir():
        assert not [
            row for row in cells(path.read_text()) if row[0][:1] in ('=', '@') and row[0][1:]
        ]
