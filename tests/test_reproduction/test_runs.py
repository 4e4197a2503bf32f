# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest
from mmengine.config import Config

from mmfer.analysis.flops import Cost
from mmfer.reproduction.index import ExperimentError, Index, select
from mmfer.reproduction.runs import Runs, Settings, check
from mmfer.reproduction.variants import get

SHIPPED = Path('configs/apvit/experiments.yml')


@pytest.fixture(scope='module')
def index():
    return Index.from_file(SHIPPED)


@pytest.fixture(scope='module')
def kt_index():
    return Index.from_file('configs/kt_adapter/experiments.yml')


@pytest.fixture
def make(index, tmp_path):
    def _make(index=index, **settings):
        return Runs(index, Settings(tmp_path / 'work', Path('tools'), **settings))

    return _make


def test_keep_numbers_are_scaled_to_the_grid(make):
    cfg = make(data='synth').config('SynthFace', 'k80-r06')
    assert cfg.model.backbone.app.keep_num == 26  # 80 of 196 are 26.1 of 64
    assert cfg.model.backbone.atp.keep_rate == 0.6
    assert make().config('RAF-DB', 'k80-r06').model.backbone.app.keep_num == 80


def test_stage(make, tmp_path):
    stage = make(data_root=tmp_path, options={'train_dataloader.batch_size': 8}).stage(
        'RAF-DB', 'atp', 2
    )
    assert stage.folder == tmp_path / 'work' / 'RAF-DB' / 'atp' / 'seed2'
    assert stage.cfg.randomness.seed == 2 and stage.cfg.train_dataloader.batch_size == 8
    # Inside the wrapper that repeats rare classes.
    assert stage.cfg.train_dataloader.dataset.dataset.data_root == str(tmp_path / 'rafdb')
    assert stage.cfg.test_dataloader.dataset.data_root == str(tmp_path / 'rafdb')
    assert {path.name for path in stage.inputs} == {'vit-small_imagenet.pth', 'ir50_ms1m.pth'}


def test_a_database_elsewhere(make, tmp_path):
    runs = make(data_root=tmp_path, data_roots={'RAF-DB': tmp_path / 'archive'})
    assert runs.data_root('RAF-DB') == tmp_path / 'archive'
    assert runs.data_root('ExpW') == tmp_path / 'expw'
    assert runs.data_root('SynthFace') is None


def test_starting_weights_are_made_first(make):
    runs = make(data='synth')
    for row, count in (('apvit', 2), ('cnn-only', 1), ('scratch', 0)):
        made = [source.checkpoint for source in runs.sources('SynthFace', row, 1)]
        stage = runs.stage('SynthFace', row, 1)
        assert len(stage.inputs) == count and {*stage.inputs} == {*made}
        # One set of weights for all seeds.
        assert all('seed0' in str(path) for path in stage.inputs)


def test_sfew_starts_from_the_run_on_rafdb(make):
    runs = make()
    (source,) = runs.sources('SFEW', 'apvit', 1)
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
    # Another schedule or database does not change the model.
    cells = [('RAF-DB', 'apvit'), ('RAF-DB', 'decay'), ('AffectNet', 'k160-r09')]
    assert [runs.cost(*cell) for cell in cells] == [1, 1, 1]
    assert runs.cost('RAF-DB', 'k80-r06') == 2 and len(counted) == 2


def test_files_are_read_once_and_runs_share_nothing(make, monkeypatch):
    read, fromfile = [], Config.fromfile
    monkeypatch.setattr(Config, 'fromfile', lambda path: read.append(path) or fromfile(path))
    runs = make(data='synth')
    cfg = runs.config('SynthFace', 'apvit')
    cfg.model.backbone.app.keep_num = 1
    assert runs.config('SynthFace', 'apvit').model.backbone.app.keep_num == 52
    for seed in range(2):
        assert runs.stage('SynthFace', 'apvit', seed).cfg.randomness.seed == seed
        runs.sources('SynthFace', 'apvit', seed)
    assert len(read) == len(set(read)) == 2


def test_cost_is_that_of_the_paper_whatever_stands_in(make):
    options = {'train_dataloader.dataset.num_samples': 42}
    assert make(data='synth', options=options).cost('RAF-DB', 'deit-tiny') == pytest.approx(
        1.26, abs=0.005
    )


def test_missing_files_are_reported_before_training(make, index, tmp_path):
    experiments = select(index, ['table10'])
    with pytest.raises(ExperimentError) as error:
        check(make(data_root=tmp_path), experiments)
    assert f'SFEW: no folder {tmp_path / "sfew"}' in str(error.value)
    assert f'RAF-DB: no folder {tmp_path / "rafdb"}' in str(error.value)
    for name in ('sfew', 'rafdb'):
        (tmp_path / name).mkdir()
    with pytest.raises(ExperimentError, match='ir50_ms1m.pth.*table10, k120-r09'):
        check(make(data_root=tmp_path), experiments)
    check(make(data='synth'), experiments)


def folders(stages):
    return ['/'.join(stage.folder.parts[-3:]) for stage in stages]


def test_a_row_starts_from_baselines_of_its_own_seed(make, kt_index):
    runs = make(kt_index)
    others = ('affectnet-hq', 'wflw', 'cfp')
    baselines = [f'{name}-224px/convnext-v2-base/seed2' for name in others]
    sources = runs.sources('utkface-224px', 'C to M', 2)
    assert folders(sources) == ['utkface-224px/mobileone-s0/seed2', *baselines]
    model = runs.stage('utkface-224px', 'C to M', 2).cfg.model
    assert model.init_cfg.checkpoint == str(sources[0].checkpoint)
    assert model.priors.landmarks.checkpoint == str(sources[2].checkpoint)
    # The baseline of its own task is no prior.
    assert model.priors.age.checkpoint.startswith('work_dirs/')
    # The row of the baseline is the same training.
    assert folders([runs.stage('utkface-224px', 'M', 2)]) == folders(sources[:1])
    # Fewer priors need fewer baselines; no priors need only the starting weights.
    for variant, count in (('M to M, 2 priors', 3), ('M to M, no priors', 1)):
        assert len(runs.sources('utkface-224px', variant, 0)) == count


def test_given_baselines_are_not_trained(make, kt_index, tmp_path):
    given = {('M', 'wflw-224px'): tmp_path / 'm.pth'}
    runs = make(kt_index, given=given)
    start, *_ = runs.sources('wflw-224px', 'M to M', 1)
    assert start.is_trained and start.checkpoint == tmp_path / 'm.pth'
    row = runs.stage('wflw-224px', 'M to M', 1)
    assert row.cfg.model.init_cfg.checkpoint == str(tmp_path / 'm.pth')
    assert tmp_path / 'm.pth' in runs.required_files('wflw-224px', 'M to M')


def test_small_nets_on_drawn_faces_are_trained_for_short_with_stored_tokens(make, kt_index):
    runs = make(kt_index, data='synth')
    table = kt_index.find('kt-table3')
    assert runs.databases(table) == ('synthface-age-64px',)
    cfg = runs.config('synthface-age-64px', 'C to M')
    assert cfg.custom_hooks[-1].type == 'PriorTokenCacheHook'
    assert cfg.train_dataloader.dataset.pipeline == cfg.test_dataloader.dataset.pipeline
    assert cfg.model.priors.age.backbone.type == 'ConvNeXt'
    baseline = runs.config('synthface-age-64px', 'M')
    assert baseline.train_cfg.max_epochs == 12 and cfg.train_cfg.max_epochs == 5
    # On the paper's data, neither applies.
    cfg = make(kt_index).config('utkface-224px', 'C to M')
    assert not cfg.get('custom_hooks') and cfg.train_cfg.max_epochs == 30
    assert make(kt_index, cache=True).config('utkface-224px', 'C to M').custom_hooks


@pytest.mark.parametrize(
    ('database', 'metric', 'rule'),
    [
        ('utkface-224px', 'age/mae', 'less'),
        ('wflw-224px', 'landmark/nme', 'less'),
        ('cfp-224px', 'accuracy/top1', 'greater'),
    ],
)
def test_every_run_keeps_its_best_epoch(make, kt_index, database, metric, rule):
    for variant in ('M', 'M to M'):
        hook = make(kt_index).config(database, variant).default_hooks.checkpoint
        assert (hook.save_best, hook.rule) == (metric, rule)


@pytest.mark.parametrize(
    ('options', 'published'),
    [
        ({'train_dataloader.num_workers': 2}, ('CFP accuracy',)),
        ({'default_hooks.logger.interval': 7}, ('CFP accuracy',)),
        ({'train_cfg.max_epochs': 2}, ()),
    ],
)
def test_a_changed_row_is_not_compared_with_the_published_one(make, kt_index, options, published):
    columns = make(kt_index, options=options).columns(kt_index.find('kt-table1'))
    assert columns[0].published == published
    for settings in (dict(adapter_options={'model.num_priors': 1}), dict(cache=True)):
        runs = make(kt_index, **settings)
        assert runs.columns(kt_index.find('kt-table1'))[0].published == ()


def test_columns_of_stand_ins_have_those_of_the_paper_beside_them(make, index, kt_index):
    (column,) = make(data='synth').columns(index.find('table1'))
    assert column.published == ('RAF-DB', 'AffectNet') and column.name == 'SynthFace'
    columns = make(kt_index, data='synth').columns(kt_index.find('kt-table5'))
    assert [column.published for column in columns] == [
        (it,) for it in kt_index.find('kt-table5').columns
    ]
    assert columns[0].name == 'drawn landmarks NME' and columns[0].database.startswith('synthface')
    # Metrics of only the stand-in have no column of the paper.
    accuracy, mean = make(data='ferplus-small').columns(index.find('table1'))
    assert accuracy.published == ('RAF-DB', 'AffectNet') and mean.published == ()
    assert mean.metric == 'class_accuracy/mean'


@pytest.mark.parametrize('database', ['RAF-DB', 'ExpW', 'Aff-Wild2'])
def test_leak_free_runs_have_folders_of_their_own(make, index, database):
    name = next(n for n, e in index.experiments.items() if e.databases == (database,))
    experiment = index.find(name)
    made = {protocol: make(protocol=protocol) for protocol in ('paper', 'leak-free')}
    stages = {p: runs.stage(database, 'apvit', 0) for p, runs in made.items()}
    assert stages['paper'].folder.parts[-3] == database
    assert stages['leak-free'].folder.parts[-3] == f'{database}-leak-free'
    for key, value in index.databases[database].leak_free['set'].items():
        assert get(stages['leak-free'].cfg, key) == value
    for protocol, runs in made.items():
        assert bool(runs.columns(experiment)[0].published) == (protocol == 'paper')
        assert protocol in ' '.join(runs.notes(experiment)).replace("the paper's", 'paper')


def test_sfew_starts_from_the_same_run_in_both_protocols(make):
    paper, leak_free = (make(protocol=it) for it in ('paper', 'leak-free'))
    stage, other = (runs.stage('SFEW', 'apvit', 0) for runs in (paper, leak_free))
    assert stage.folder == other.folder and stage.cfg.load_from == other.cfg.load_from
    (source,) = leak_free.sources('SFEW', 'apvit', 0)
    assert source.folder == paper.stage('RAF-DB', 'apvit', 0).folder
    assert source.cfg.val_dataloader == paper.config('RAF-DB', 'apvit').val_dataloader


def test_options_that_make_another_training(make):
    harmless = ['train_dataloader.num_workers', 'default_hooks.logger.interval', 'log_level']
    harmless += ['default_hooks.checkpoint.max_keep_ckpts', 'visualizer.vis_backends']
    # The first option gives the other row of Table 4.
    others = ['default_hooks.pooling_decay.type', 'default_hooks.param_scheduler']
    others += ['default_hooks.checkpoint.rule', 'train_dataloader.batch_size']
    settings = make(options=dict.fromkeys([*harmless, *others], 1)).settings
    assert settings.changes == others


def test_costs_follow_the_options_of_adapters(make, kt_index):
    options = {'model.neck.init_scale': 0.5}
    models = [
        make(kt_index, adapter_options=options, data=data).model_config('utkface-224px', row).model
        for data, row in (('paper', 'M to M'), ('synth', 'M to M'))
    ]
    assert [model.neck.init_scale for model in models] == [0.5, 0]
    baseline = make(kt_index, adapter_options=options).model_config('utkface-224px', 'M').model
    assert 'init_scale' not in baseline.neck


def test_databases_without_a_leak_share_their_runs(make):
    stages = [make(protocol=it).stage('FERPlus', 'apvit', 0) for it in ('paper', 'leak-free')]
    assert stages[0].folder == stages[1].folder
    assert stages[0].cfg.to_dict() == stages[1].cfg.to_dict()


def test_wflw_without_a_leak_validates_on_a_part_of_its_training_list(make, kt_index):
    for database in ('wflw-224px', 'wflw-64px'):
        runs = make(kt_index, protocol='leak-free')
        datasets = [
            runs.config(database, row)[f'{part}_dataloader'].dataset
            for row in ('M', 'M to M')
            for part in ('train', 'val', 'test')
        ]
        held_out = [(it.split, it.get('val_ratio', 0)) for it in datasets]
        assert held_out == 2 * [('train', 0.1), ('val', 0.1), ('test', 0)]
    experiment = next(e for e in kt_index.experiments.values() if 'wflw-224px' in e.databases)
    assert 'test list: wflw-224px' in make(kt_index).notes(experiment)[-1]


def test_validation_on_the_test_list_is_noted(make, index):
    (note,) = make().notes(select(index, ['table10'])[0])
    assert note == 'Validation is on the test list: SFEW.'
    assert 'test list: RAF-DB' in make().notes(index.find('table13'))[-1]
    notes = make(data='ferplus-small').notes(index.find('cnn'))
    assert notes[-1] == 'Validation is on the test list: FERPlus (small).'
    held_out = make(protocol='leak-free').notes(index.find('table13'))
    assert len(held_out) == 1 and held_out[0].startswith('Protocol of RAF-DB, leak-free')
