# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Order of runs and their results, with stand-ins for the training and test tools."""

import dataclasses
import json
import subprocess
import sys

import pytest
import yaml
from stand_in_tools import write_tools

from mmfer.reproduction.index import ExperimentError, Index
from mmfer.reproduction.overview import plan
from mmfer.reproduction.progress import Progress
from mmfer.reproduction.published import Published
from mmfer.reproduction.report import Report
from mmfer.reproduction.runs import Runs, Settings

CONFIG = """
model = dict(backbone=dict(app=dict(keep_num=160), init_cfg=None), init_cfg=None)
train_cfg = dict(max_epochs=2)
train_dataloader = dict(dataset=dict(data_root='data'))
val_dataloader = dict(dataset=dict(data_root='data'))
test_dataloader = dict(dataset=dict(data_root='data'))
load_from = {load_from!r}
"""
INDEX = dict(
    databases={
        'RAF-DB': dict(config='rafdb.py', folder='rafdb', metrics={'RAF-DB': 'age/mae'}),
        'SFEW': dict(
            config='sfew.py',
            folder='sfew',
            metrics={'SFEW': 'age/mae'},
            weights={'load_from': dict(database='RAF-DB', variant='apvit')},
        ),
    },
    variants={'plain': {'model.backbone.app': None}, 'apvit': {}},
    experiments={
        'table1': dict(
            title='Pooling',
            databases=['RAF-DB', 'SFEW'],
            reference='plain',
            label=['pooling'],
            metrics={},
            rows={'plain': ['no'], 'apvit': ['yes']},
        ),
        'table2': dict(title='Age', databases=['RAF-DB'], rows={'apvit': ['APViT']}),
    },
)
PUBLISHED = {'table1': {'plain': {'RAF-DB': 5.0}, 'apvit': {'RAF-DB': 6.0, 'SFEW': 6.1}}}


@pytest.fixture
def report(tmp_path):
    tools = write_tools(tmp_path / 'tools')
    (tmp_path / 'rafdb.py').write_text(CONFIG.format(load_from=None))
    (tmp_path / 'sfew.py').write_text(CONFIG.format(load_from='placeholder.pth'))
    (tmp_path / 'index.yml').write_text(yaml.safe_dump(INDEX, sort_keys=False))
    index = Index.from_file(tmp_path / 'index.yml')
    runs = Runs(index, Settings(tmp_path / 'work', tools))
    return Report(Published(PUBLISHED), runs, range(2), Progress())


def first_words(capsys):
    """Return the first words of the printed lines with a time, in order."""
    lines = capsys.readouterr().out.splitlines()
    return [line.split('] ')[1].split()[0] for line in lines if line.startswith('[')]


def test_plan(report):
    stages = plan(report.runs, report.runs.index.find('table1'), range(2))
    # The starting weights of SFEW are also a row of the table, which is trained once.
    assert [
        stage.folder.relative_to(report.runs.settings.work_dir).as_posix() for stage in stages
    ] == [
        *('RAF-DB/plain/seed0', 'RAF-DB/apvit/seed0', 'SFEW/plain/seed0', 'SFEW/apvit/seed0'),
        *('RAF-DB/plain/seed1', 'SFEW/plain/seed1', 'RAF-DB/apvit/seed1', 'SFEW/apvit/seed1'),
    ]


@pytest.mark.usefixtures('formatted_configs')
def test_a_table_is_made_once(report, capsys):
    table = report.runs.index.find('table1')
    report.reproduce(table)
    assert first_words(capsys).count('train') == 8
    folder = report.runs.settings.work_dir
    text = (folder / 'table1.md').read_text()
    assert text.startswith('Table 1. Pooling\n\n| pooling | RAF-DB')
    first = (folder / 'RAF-DB/plain/seed0/metrics.json').read_text()
    value = json.loads(first)['age/mae']
    assert f'{value:.3f} ± 0.000' in text and f'{value - 5:+.3f}' in text
    started = (folder / 'SFEW/plain/seed1/config.py').read_text()
    assert f"load_from = '{folder}/RAF-DB/apvit/seed0/epoch_2.pth'" in started

    report.reproduce(table)
    assert first_words(capsys) == ['done:']
    # The row of this table is also a row of the other one.
    report.reproduce(report.runs.index.find('table2'))
    assert first_words(capsys) == ['done:']


@pytest.mark.usefixtures('formatted_configs')
def test_what_is_done_with_other_settings_is_not_compared_with_the_paper(report, tmp_path):
    """The paper's value would be that of another training."""
    table = report.runs.index.find('table1')
    report.reproduce(table)
    runs, text = report.runs, (tmp_path / 'work/table1.csv').read_text()
    for changed, paper in (
        ({}, True),
        # Paths are not settings; results may be collected in another folder.
        ({'data_root': tmp_path / 'moved'}, True),
        ({'options': {'train_cfg.max_epochs': 3}}, False),
    ):
        there = Runs(runs.index, dataclasses.replace(runs.settings, **changed))
        # The next command may lack the option.
        for stage in plan(there, table, range(2)):
            state = json.loads((stage.folder / 'stage.json').read_text())
            state['config'] = stage.cfg.pretty_text
            (stage.folder / 'stage.json').write_text(json.dumps(state))
        report.runs = Runs(runs.index, runs.settings)
        report.collect(table)
        assert ((tmp_path / 'work/table1.csv').read_text() == text) == paper
    note = (tmp_path / 'work/table1.md').read_text()
    assert 'other settings' in note and str(tmp_path / 'work/RAF-DB/apvit/seed1') in note
    assert 'RAF-DB,5.0,' in text
    assert 'RAF-DB,5.0,' not in (tmp_path / 'work/table1.csv').read_text()


def test_rows_with_given_checkpoints_are_named(report, tmp_path):
    given = {('plain', 'RAF-DB'): tmp_path / 'mine.pth'}
    settings = dataclasses.replace(report.runs.settings, given=given)
    for there, named in ((settings, True), (report.runs.settings, False)):
        report.runs = Runs(report.runs.index, there)
        report.collect(report.runs.index.find('table1'))
        text = (tmp_path / 'work/table1.md').read_text()
        assert (f'(--weights) instead: RAF-DB, plain: {tmp_path / "mine.pth"}.' in text) == named


def test_resumes_after_a_failure(report, capsys):
    table = report.runs.index.find('table1')
    die = report.runs.settings.tools / 'die'
    report.seeds = range(1)
    report.reproduce(table)
    report.seeds = range(2)
    die.write_text('2')
    capsys.readouterr()
    with pytest.raises(RuntimeError, match='same command'):
        report.reproduce(table)
    assert first_words(capsys) == ['train']
    # Finished runs are in the table.
    report.collect(table)
    assert '± ' not in (report.runs.settings.work_dir / 'table1.md').read_text()
    die.unlink()
    capsys.readouterr()
    report.reproduce(table)
    assert first_words(capsys).count('train') == 4


def test_costs_need_a_table_that_has_them(report):
    with pytest.raises(ValueError, match='table2 .*--data-root'):
        report.costs(report.runs.index.find('table2'))


def test_a_table_of_small_models_says_that_its_costs_are_those_of_the_papers(report, monkeypatch):
    monkeypatch.setattr(Runs, 'cost', lambda *_: 1.0)
    table = dataclasses.replace(report.runs.index.find('table1'), cost='GFLOPs')
    note = "FLOPs are those of the paper's models"
    report.collect(table)
    assert note not in (report.runs.settings.work_dir / 'table1.md').read_text()
    stand_ins = {'small': {'RAF-DB': 'RAF-DB', 'SFEW': 'RAF-DB'}}
    index = dataclasses.replace(report.runs.index, stand_ins=stand_ins)
    settings = dataclasses.replace(report.runs.settings, data='small')
    report.runs = Runs(index, settings)
    report.collect(table)
    assert note in (settings.work_dir / 'table1.md').read_text()


def test_the_best_epoch_is_tested_and_all_results_are_from_that_test(report, tmp_path):
    """The hook uses only the first metric; other metrics may be best in other epochs."""
    table = report.runs.index.find('table2')
    table.metrics.update(error='age/mae', near='age/cs@5')
    report.reproduce(table)
    for seed in range(2):
        folder = tmp_path / f'work/RAF-DB/apvit/seed{seed}'
        assert "save_best='age/mae'" in (folder / 'config.py').read_text()
        # The stand-in's error is the file's length. A stop may leave an earlier best.
        (folder / 'best_age_mae_epoch_1.pth').write_text('123456789')
        (folder / 'best_age_mae_epoch_12.pth').write_text('12345')
        (folder / 'best_age_cs@5_epoch_99.pth').write_text('123')
    last = report.runs.settings
    report.runs.settings = dataclasses.replace(last, select='best')
    report.reproduce(table)
    text = (tmp_path / 'work/table2-best.csv').read_text()
    error, near = (line.split(',')[-1] for line in text.splitlines()[1:3])
    assert error.split() == ['5.0000'] * 2 and near.split() == ['95.0000'] * 2
    assert 'the epoch with the best age/mae' in (tmp_path / 'work/table2-best.md').read_text()

    report.runs.settings = last
    report.collect(table)
    assert ' 5.0000' not in (tmp_path / 'work/table2.csv').read_text()

    # A deleted last checkpoint changes nothing.
    report.runs.settings = dataclasses.replace(last, select='best')
    report.runs.stage('RAF-DB', 'apvit', 1).checkpoint.unlink()
    report.collect(table)
    assert (tmp_path / 'work/table2-best.csv').read_text() == text

    # A missing best checkpoint is an error; no other epoch is used.
    (folder / 'best_age_mae_epoch_12.pth').unlink()
    (folder / 'best_age_mae_epoch_1.pth').unlink()
    with pytest.raises(ExperimentError, match='seed1 has no .*best_age_mae_.*delete the folder'):
        report.collect(table)


def test_rows_that_another_process_runs_come_last(report, capsys):
    table = report.runs.index.find('table1')
    first = report.runs.stage('RAF-DB', 'plain', 0)
    script = (
        'import sys, time\nfrom mmfer.utils.file_lock import file_lock\n'
        'with file_lock(sys.argv[1]):\n print("held", flush=True)\n sys.stdin.read()'
    )
    command = [sys.executable, '-c', script, str(first.folder / '.lock')]
    pipes = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with subprocess.Popen(command, **pipes) as other:
        assert other.stdout.readline() == 'held\n'
        log, lines = report.progress.log, []

        def release(text):
            lines.append(text)
            if text.startswith('wait'):
                other.stdin.close()
            log(text)

        report.progress.log = release
        report.reproduce(table)
    waited = next(i for i, text in enumerate(lines) if text.startswith('wait'))
    others = [text for text in lines[:waited] if text.startswith('train')]
    assert len(others) == 7 and 'RAF-DB, plain, seed 0' in lines[waited + 1]


def test_a_metric_that_the_test_lacks(report):
    table = report.runs.index.find('table2')
    report.reproduce(table)
    table.metrics.update(accuracy='accuracy/top1')
    with pytest.raises(ValueError, match='accuracy/top1.*age/mae'):
        report.collect(table)
