# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest
from mmengine.config import Config

from mmfer.analysis.flops import Cost
from mmfer.reproduction.index import ExperimentError, Index, select
from mmfer.reproduction.runs import Runs, Settings, check

SHIPPED = Path('configs/apvit/experiments.yml')


@pytest.fixture(scope='module')
def index():
    return Index.from_file(SHIPPED)


@pytest.fixture
def make(index, tmp_path):
    def _make(**settings):
        return Runs(index, Settings(tmp_path / 'work', Path('tools'), **settings))

    return _make


def test_keep_numbers_are_scaled_to_the_grid(make):
    cfg = make(synth=True).config('SynthFace', 'k80-r06')
    assert cfg.model.backbone.app.keep_num == 26  # 80 of 196 are 26.1 of 64
    assert cfg.model.backbone.atp.keep_rate == 0.6
    assert make().config('RAF-DB', 'k80-r06').model.backbone.app.keep_num == 80


def test_stage(make, tmp_path):
    stage = make(data_root=tmp_path, options={'train_dataloader.batch_size': 8}).stage(
        'RAF-DB', 'atp', 2
    )
    assert stage.folder == tmp_path / 'work' / 'RAF-DB' / 'atp' / 'seed2'
    assert stage.cfg.randomness.seed == 2 and stage.cfg.train_dataloader.batch_size == 8
    # Inside of the wrapper that repeats rare classes.
    assert stage.cfg.train_dataloader.dataset.dataset.data_root == str(tmp_path / 'rafdb')
    assert stage.cfg.test_dataloader.dataset.data_root == str(tmp_path / 'rafdb')
    assert {path.name for path in stage.inputs} == {'vit-small_imagenet.pth', 'ir50_ms1m.pth'}


def test_a_database_elsewhere(make, tmp_path):
    runs = make(data_root=tmp_path, data_roots={'RAF-DB': tmp_path / 'archive'})
    assert runs.data_root('RAF-DB') == tmp_path / 'archive'
    assert runs.data_root('ExpW') == tmp_path / 'expw'
    assert runs.data_root('SynthFace') is None


def test_starting_weights_are_made_first(make):
    runs = make(synth=True)
    for row, count in (('apvit', 2), ('cnn-only', 1), ('scratch', 0)):
        sources = runs.sources('SynthFace', row)
        assert len(sources) == count
        stage = runs.stage('SynthFace', row, 1)
        assert stage.inputs == [source.checkpoint for source in sources]
        assert all('seed0' in str(path) for path in stage.inputs)


def test_sfew_starts_from_the_run_on_rafdb(make):
    runs = make()
    (source,) = runs.sources('SFEW', 'apvit')
    assert source.folder.parts[-3:] == ('RAF-DB', 'apvit', 'seed0')
    assert runs.stage('SFEW', 'apvit', 1).cfg.load_from == str(source.checkpoint)
    assert {path.name for path in runs.required_files('SFEW', 'apvit')} == {
        *('vit-small_imagenet.pth', 'ir50_ms1m.pth')
    }


def test_cost(make):
    assert make().cost('RAF-DB', 'transfer') == pytest.approx(15.30, abs=0.01)


def test_a_model_is_counted_once(make, monkeypatch):
    counted = []

    def count(cfg):
        counted.append(cfg.model)
        return Cost(float(len(counted)), 0.0, {})

    monkeypatch.setattr('mmfer.reproduction.runs.published_cost', count)
    runs = make()
    # Another way of training and another database do not change the model.
    cells = [('RAF-DB', 'apvit'), ('RAF-DB', 'decay'), ('AffectNet', 'k160-r09')]
    assert [runs.cost(*cell) for cell in cells] == [1, 1, 1]
    assert runs.cost('RAF-DB', 'k80-r06') == 2 and len(counted) == 2


def test_files_are_read_once_and_runs_share_nothing(make, monkeypatch):
    read, fromfile = [], Config.fromfile
    monkeypatch.setattr(Config, 'fromfile', lambda path: read.append(path) or fromfile(path))
    runs = make(synth=True)
    cfg = runs.config('SynthFace', 'apvit')
    cfg.model.backbone.app.keep_num = 1
    assert runs.config('SynthFace', 'apvit').model.backbone.app.keep_num == 52
    for seed in range(2):
        assert runs.stage('SynthFace', 'apvit', seed).cfg.randomness.seed == seed
        runs.sources('SynthFace', 'apvit')
    assert len(read) == len(set(read)) == 2


def test_cost_is_that_of_the_paper_whatever_stands_in(make):
    options = {'train_dataloader.dataset.num_samples': 42}
    assert make(synth=True, options=options).cost('RAF-DB', 'deit-tiny') == pytest.approx(
        1.26, abs=0.005
    )


def test_what_is_missing_is_said_at_once(make, index, tmp_path):
    experiments = select(index, ['table10'])
    with pytest.raises(ExperimentError) as error:
        check(make(data_root=tmp_path), experiments)
    assert f'SFEW: no folder {tmp_path / "sfew"}' in str(error.value)
    assert f'RAF-DB: no folder {tmp_path / "rafdb"}' in str(error.value)
    for name in ('sfew', 'rafdb'):
        (tmp_path / name).mkdir()
    with pytest.raises(ExperimentError, match='ir50_ms1m.pth.*table10, k120-r09'):
        check(make(data_root=tmp_path), experiments)
    check(make(synth=True), experiments)
