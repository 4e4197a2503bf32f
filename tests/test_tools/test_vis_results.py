# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""The tools that draw results of trainings and tests."""

import csv
import json

import cv2
import pytest
from tool_calls import run_tool

MATRIX = 'true \\ predicted,Anger,Fear\nAnger,{0},1\nFear,2,14\n'


@pytest.fixture
def call(tmp_path):
    """Run a tool; return the figure and the printed text."""

    def _call(tool, *arguments):
        out = tmp_path / 'figure.png'
        done = run_tool(f'visualization/{tool}.py', *arguments, '--out', out)
        assert done.returncode == 0, done.stderr
        return cv2.imread(str(out)), done.stdout

    return _call


def refuse(tool, *arguments):
    """Run a tool that fails; return the exit status and the message."""
    done = run_tool(f'visualization/{tool}.py', *arguments)
    return done.returncode, done.stderr


@pytest.fixture
def tests_of(tmp_path):
    """Metrics and a confusion matrix of two tests."""
    paths = []
    for number in (1, 3):
        metrics = tmp_path / f'{number}.json'
        metrics.write_text(
            json.dumps({'class_accuracy/Anger': 10 * number, 'class_accuracy/Fear': 87.5})
        )
        matrix = tmp_path / f'{number}.csv'
        matrix.write_text(MATRIX.format(number))
        paths.append((metrics, matrix))
    return paths


@pytest.fixture
def trainings(tmp_path):
    """Work folders of two trainings of four epochs, the second with higher losses."""
    folders = [tmp_path / 'runs' / name for name in ('first', 'second')]
    for shift, folder in enumerate(folders):
        log = folder / '20260101_000000' / 'vis_data' / 'scalars.json'
        log.parent.mkdir(parents=True)
        lines = []
        for epoch in range(1, 5):
            at = dict(epoch=epoch, iter=10 * epoch, step=10 * epoch)
            lines.append(dict(lr=0.1 / epoch, loss=2 / epoch + shift, **at))
            lines.append({'accuracy/top1': 20 * epoch, 'step': epoch})
        log.write_text(''.join(f'{json.dumps(line)}\n' for line in lines))
    return folders


def test_classes_of_several_models_and_seeds(call, tests_of):
    (first, matrix), (second, _) = tests_of
    image, printed = call('vis_classes', f'APViT={first}', f'baseline={matrix}', '--title', 'faces')
    assert '2 models' in printed and image.std() > 10
    seeds, printed = call('vis_classes', f'APViT={first}', f'APViT={second}')
    assert '1 models' in printed and seeds is not None


def test_confusion_matrices_are_panels_or_sums(call, tests_of):
    (_, first), (_, second) = tests_of
    one, printed = call('vis_confusion', f'RAF-DB={first}', f'RAF-DB={second}')
    assert '1 confusion matrices' in printed
    two, printed = call('vis_confusion', f'RAF-DB={first}', f'SFEW={second}')
    assert '2 confusion matrices' in printed
    stacked, _ = call('vis_confusion', f'RAF-DB={first}', f'SFEW={second}', '--per-row', 1)
    assert two.shape[1] > stacked.shape[1] == one.shape[1]
    assert stacked.shape[0] > two.shape[0] == one.shape[0]


def test_curves_and_their_table(call, trainings, tmp_path):
    table = tmp_path / 'curves.csv'
    image, printed = call('vis_curves', *trainings, '--csv', table)
    assert '2 runs' in printed and image.std() > 10
    with open(table, newline='') as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * 3 * 4
    assert {row['run'] for row in rows} == {'first', 'second'}
    assert rows[0] == dict(
        run='first',
        work_dir=str(trainings[0]),
        key='loss',
        part='training',
        unit='iteration',
        step='10',
        value='2.0',
    )
    narrow, _ = call('vis_curves', trainings[0], '--keys', 'accuracy/top1', '--smooth', 1)
    assert narrow.shape[1] < image.shape[1]


def test_curves_of_a_group(call, trainings, tmp_path):
    table = tmp_path / 'curves.csv'
    arguments = ['--group', 'seeds', *trainings, '--keys', 'loss', '--csv', table]
    image, printed = call('vis_curves', trainings[0], *arguments)
    assert '2 runs' in printed and image is not None
    with open(table, newline='') as file:
        rows = [(row['run'], row['work_dir']) for row in csv.DictReader(file)]
    first, second = map(str, trainings)
    assert rows == [('seeds', first)] * 4 + [('seeds', second)] * 4 + [('first', first)] * 4


@pytest.mark.parametrize(
    ('tool', 'arguments', 'message'),
    [
        ('vis_classes', ['metrics.json'], "'metrics.json'"),
        ('vis_confusion', ['=a.csv'], "'=a.csv'"),
        ('vis_confusion', ['a=a.csv', '--per-row', 0], 'integer >= 1'),
        ('vis_curves', [], '--group'),
        ('vis_curves', ['--group', 'seeds'], '--group seeds: '),
        ('vis_curves', ['absent', '--out', 'curves.doc'], 'must end in one of'),
    ],
)
def test_wrong_arguments_are_errors(tool, arguments, message):
    status, error = refuse(tool, *arguments)
    assert status == 2 and message in error.splitlines()[-1]


@pytest.mark.parametrize(
    ('tool', 'arguments', 'message'),
    [
        ('vis_classes', ['a=absent.json'], 'absent.json'),
        ('vis_confusion', ['a=absent.csv'], 'absent.csv'),
        ('vis_curves', ['absent'], 'absent'),
    ],
)
def test_missing_files_are_errors(tool, arguments, message):
    status, error = refuse(tool, *arguments)
    assert status == 1 and message in error.splitlines()[-1]


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (['--keys', 'los'], 'lr, loss, accuracy/top1'),
        (['--smooth', 4], 'smooth'),
    ],
)
def test_options_of_curves_are_checked(trainings, options, message):
    status, error = refuse('vis_curves', *trainings, *options)
    assert status == 1 and message in error.splitlines()[-1]


def test_curves_as_a_vector_graphic(trainings, tmp_path):
    out = tmp_path / 'curves.svg'
    assert run_tool('visualization/vis_curves.py', *trainings, '--out', out).returncode == 0
    assert out.read_bytes().startswith(b'<?xml')
