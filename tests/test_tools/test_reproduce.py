# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import csv
import subprocess
import sys

import pytest


@pytest.fixture
def run(tmp_path):
    def _run(*arguments):
        command = [sys.executable, '-W', 'ignore', 'tools/reproduce.py']
        command += [*map(str, arguments), '--work-dir', str(tmp_path / 'work')]
        return subprocess.run(command, capture_output=True, text=True)

    return _run


def test_list(run):
    result = run('--list')
    assert result.returncode == 0, result.stderr
    names = [line.split()[0] for line in result.stdout.splitlines()[1:]]
    assert names == [f'table{n}' for n in range(1, 16)] + ['figure5', 'figure6', 'figure7']


def test_plan(run, tmp_path):
    result = run('table1', '--data', 'synth', '--seeds', 3, '--plan')
    assert result.returncode == 0, result.stderr
    # The weights that all start from, and six rows with three seeds.
    assert len(result.stdout.splitlines()) == 1 + 1 + 18
    assert not (tmp_path / 'work').exists()


def test_costs_need_no_data(run, tmp_path):
    result = run('table13', 'table14')
    assert result.returncode == 0, result.stderr
    for table, expected in (
        ('table13', {'transfer': 15.30, 'apvit': 12.67, 'k10-r06': 5.89}),
        ('table14', {'deit-tiny': 1.26, 'deit-tiny-atp': 0.96, 'hybrid-deit-tiny': 6.72}),
    ):
        with open(tmp_path / 'work/paper' / f'{table}.csv') as file:
            rows = {row['row']: row for row in csv.DictReader(file) if row['column'] == 'GFLOPs'}
        for row, value in expected.items():
            assert float(rows[row]['paper']) == value
            assert float(rows[row]['mean']) == pytest.approx(value, abs=0.005), row


@pytest.mark.parametrize(
    ('arguments', 'code', 'said'),
    [
        (['table99'], 2, "there is no experiment 'table99'"),
        (['table5'], 2, 'table5 needs data: --data-root DIR, or --data synth'),
        (['table5', '--data-root', 'nowhere'], 2, 'RAF-DB: no folder '),
        (['table5', '--data-root', 'RAFDB=x'], 2, '--data-root RAFDB=x: no database of RAF-DB'),
        (['table5', '--data', 'synth', '--databases', 'RAF-DB'], 2, 'takes no --data-root'),
        ([], 2, 'say what to reproduce'),
    ],
)
def test_errors(run, arguments, code, said):
    result = run(*arguments)
    assert result.returncode == code and said in result.stderr
    assert 'Traceback' not in result.stderr


def test_a_small_table_from_end_to_end(run, tmp_path):
    """Three steps of each training, on few pictures: not what it reaches, but that it goes."""
    options = [f'{part}_dataloader.dataset.num_samples=42' for part in ('train', 'val', 'test')]
    settings = ('--data', 'synth', '--cfg-options', *options, 'train_cfg.max_epochs=1')
    result = run('figure7', *settings)
    assert result.returncode == 0, result.stderr
    folder = tmp_path / 'work/synth'
    assert (folder / 'figure7.png').stat().st_size > 10_000
    assert 'SynthFace' in (folder / 'figure7.md').read_text()
    again = run('figure7', *settings)
    assert 'train' not in again.stdout and again.returncode == 0
    # Another choice of settings is not mixed with it.
    other = run('figure7', *settings, 'train_dataloader.batch_size=8')
    assert other.returncode == 1 and 'batch_size=8' in other.stderr
