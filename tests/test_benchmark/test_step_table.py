# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import sys
import time

import pytest

from mmfer.benchmark.step_table import StepTable


@pytest.fixture
def table(tmp_path, repo_root):
    return StepTable(tmp_path, 'a machine', 60, repo_root)


def code(text):
    return [sys.executable, '-c', text]


def test_a_step_that_fails_does_not_stop_the_others(table, tmp_path):
    assert not table.run('Bad one', code('print(7); raise SystemExit(3)'), 60, str.strip)
    assert table.run('good | one', code('print(8)'), 60, str.strip)
    table.add('other', 'needs a GPU', 'skipped')
    assert table.failed
    heading, _, *rows = (tmp_path / 'table.md').read_text().splitlines()[2:]
    rows = [[cell.strip() for cell in row.strip('|').split('|')] for row in rows]
    assert [row[:2] for row in rows] == [
        ['Bad one', ''],
        ['good / one', '8'],
        ['other', 'needs a GPU'],
    ]
    statuses = [row[3] for row in rows]
    assert statuses == ['FAILED: exit status 3, see bad-one.log', 'done', 'skipped']
    assert (tmp_path / 'bad-one.log').read_text() == '7\n'


def test_no_result_is_a_failure(table):
    assert not table.run('empty', code(''), 60, lambda log: str(int(log)))
    assert table.failed and 'ValueError' in str(table)


def test_a_step_kills_all_processes_that_it_started(table, tmp_path):
    child = 'import time; time.sleep(2); open("late", "w")'
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    parent = f'import os; os.chdir({str(tmp_path)!r}); print("so far"); {parent}'
    assert not table.run('slow', code(parent), 1, str.strip)
    assert 'so far' in str(table) and 'FAILED: stopped after 1 s' in str(table)
    time.sleep(2)
    assert not (tmp_path / 'late').exists()


def test_no_step_starts_after_the_time_limit(tmp_path, repo_root):
    table = StepTable(tmp_path, '', 0, repo_root)
    assert not table.run('late', code('open("made", "w")'), 60, str)
    assert table.failed and not (tmp_path / 'late.log').exists()


def test_skipped_steps_are_no_failure(table):
    table.add('other', 'needs a GPU', 'skipped')
    assert not table.failed
