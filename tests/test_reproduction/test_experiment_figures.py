# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest

from mmfer.reproduction.figures import draw
from mmfer.reproduction.index import Index
from mmfer.reproduction.runs import Runs, Settings
from mmfer.reproduction.table import Column, Results


@pytest.fixture(scope='module')
def index():
    return Index.from_file('configs/apvit/experiments.yml')


@pytest.fixture
def runs(index, tmp_path):
    return Runs(index, Settings(tmp_path, Path('tools')))


def texts(figure):
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def test_heat_map(index, runs):
    experiment = index.find('figure5')
    measured = {('k160-r09', 'AffectNet'): {0: 60.0, 1: 61.0}, ('k40-r06', 'AffectNet'): {0: 55.25}}
    published = {'k160-r09': {'AffectNet': 66.94}}
    results = Results(experiment, [Column('AffectNet', ('AffectNet',))], published, measured)
    found = texts(draw(runs, results, [0, 1]))
    assert {'60.50', '55.25'} <= {*found} and any('66.94' in text for text in found)


def test_class_bars(index, runs):
    experiment = index.find('table8')
    columns = [Column(name, (name,)) for name in experiment.metrics]
    measured = {
        (row, column.name): {0: 50.0 + number, 1: 52.0 + number}
        for row in experiment.rows
        for number, column in enumerate(columns)
    }
    published = {'apvit': {column.name: 90.0 for column in columns}}
    figure = draw(runs, Results(experiment, columns, published, measured), [0, 1])
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ['TransFER', 'APViT', 'APViT, paper']


def test_confusion_over_all_seeds(index, runs):
    experiment = index.find('figure6')
    for seed in (0, 1):
        stage = runs.stage('RAF-DB', 'apvit', seed)
        stage.confusion.parent.mkdir(parents=True)
        stage.confusion.write_text('true,Anger,Fear\nAnger,3,1\nFear,0,4\n')
        (stage.folder / 'metrics.json').write_text('{}')
        (stage.folder / 'stage.json').write_text(
            '{"config": "", "inputs": [], "trained": true, "tested": "x"}'
        )
    columns = [Column('RAF-DB', ('RAF-DB',))]
    results = Results(experiment, columns, {}, {('apvit', 'RAF-DB'): {0: 87.5}})
    found = ' '.join(texts(draw(runs, results, [0, 1])))
    assert '75.0 %\n6' in found and '100.0 %\n8' in found


def test_nothing_to_draw(index, runs):
    for name in ('table1', 'figure5'):
        experiment = index.find(name)
        assert draw(runs, Results(experiment, [], {}), [0]) is None
