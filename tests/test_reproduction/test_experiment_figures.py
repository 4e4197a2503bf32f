# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import dataclasses
from pathlib import Path

import pytest

from mmfer.reproduction.figures import draw
from mmfer.reproduction.index import Index
from mmfer.reproduction.runs import Runs, Settings
from mmfer.reproduction.table import Column, Results
from mmfer.visualization.encoder_costs import EncoderCost


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
    # The first of several metrics.
    second = Column('AffectNet, mean', ())
    found = texts(draw(runs, dataclasses.replace(results, columns=[*results.columns, second]), [0]))
    assert {'60.50', '55.25'} <= {*found}
    # Without the paper's values if they are not comparable.
    results = dataclasses.replace(results, columns=[Column('AffectNet', ())])
    found = texts(draw(runs, results, [0, 1]))
    assert '60.50' in found and not any('66.94' in text for text in found)


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
    columns = [Column(name, ()) for name in experiment.metrics]
    figure = draw(runs, Results(experiment, columns, published, measured), [0, 1])
    assert [text.get_text() for text in figure.legends[0].get_texts()] == labels[:2]


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


def test_what_encoders_cost(monkeypatch, tmp_path):
    index = Index.from_file('configs/kt_adapter/experiments.yml')
    measured = []

    def measure(configs):
        measured.append({name: cfg.model.backbone.type for name, cfg in configs.items()})
        return [EncoderCost('M', 1, adapter, 0.3, 1.3, 0.01) for adapter in (False, True)]

    monkeypatch.setattr('mmfer.reproduction.figures.measure_encoder_costs', measure)
    runs = Runs(index, Settings(tmp_path, Path('tools'), data='synth'))
    experiment = index.find('kt-figure2')
    assert not runs.columns(experiment) and not [*runs.cells(experiment)]
    assert draw(runs, Results(experiment, [], {}, has_runs=False), [0]) is not None
    # The paper's models, also with drawn faces.
    assert measured == [dict(M='MobileOne', C='ConvNeXt', S='SwinTransformer')]


def test_features_of_the_rows_that_are_tested(monkeypatch, tmp_path):
    index = Index.from_file('configs/kt_adapter/experiments.yml')
    drawn = []
    monkeypatch.setattr(
        'mmfer.reproduction.figures.compare_features', lambda models, title: drawn.append(models)
    )
    runs = Runs(index, Settings(tmp_path, Path('tools'), data='synth'))
    experiment = index.find('kt-figure7')
    results = Results(experiment, runs.columns(experiment), {}, {('M', 'x'): {0: 1.0}})
    assert draw(runs, results, [0]) is None and not drawn
    stages = [runs.stage('synthface-expression-64px', row, 0) for row in ('M', 'S to M')]
    for stage in stages:
        stage.folder.mkdir(parents=True)
        (stage.folder / 'metrics.json').write_text('{}')
        state = '{"config": "", "inputs": [], "trained": true, "tested": "x"}'
        (stage.folder / 'stage.json').write_text(state)
    draw(runs, results, [0])
    files = [(stage.config_file, stage.checkpoint) for stage in stages]
    assert drawn == [[('M', *files[0]), ('S to M', *files[1])]]


@pytest.mark.parametrize(
    ('figure', 'drawing', 'first', 'second'),
    [
        ('figure1', 'compare_maps', 'transfer', 'apvit'),
        ('figure7', 'compare_attention', 'baseline', 'apvit'),
    ],
)
def test_figures_of_two_models(monkeypatch, index, tmp_path, figure, drawing, first, second):
    runs = Runs(index, Settings(tmp_path, Path('tools'), data='synth'))
    drawn = []
    monkeypatch.setattr(
        f'mmfer.reproduction.figures.{drawing}', lambda *models, **_: drawn.append(models)
    )
    experiment = index.find(figure)
    results = Results(experiment, [], {}, {('apvit', 'x'): {0: 1.0}})
    files = []
    for row in (first, second):
        assert draw(runs, results, [0]) is None and not drawn
        stage = runs.stage('SynthFace', row, 0)
        stage.folder.mkdir(parents=True)
        (stage.folder / 'metrics.json').write_text('{}')
        state = '{"config": "", "inputs": [], "trained": true, "tested": "x"}'
        (stage.folder / 'stage.json').write_text(state)
        files.append((stage.config_file, stage.checkpoint))
    draw(runs, results, [0])
    assert drawn == [(*files[1], files[0])]


def test_nothing_to_draw(index, runs):
    for name in ('table1', 'figure5'):
        experiment = index.find(name)
        assert draw(runs, Results(experiment, [], {}), [0]) is None
