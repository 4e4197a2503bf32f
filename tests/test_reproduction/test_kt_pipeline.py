# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import pytest
from stand_in_tools import write_tools

from mmfer.reproduction.index import Index
from mmfer.reproduction.kt_pipeline import DATA, Choice, KTPipeline
from mmfer.reproduction.stages import StageError
from mmfer.tasks import TASKS
from mmfer.utils.config_options import UnknownOptionError


@pytest.fixture(scope='module')
def index(repo_root):
    return Index.from_file(repo_root / 'configs' / 'kt_adapter' / 'experiments.yml')


@pytest.fixture
def make(tmp_path, index):
    """Make a pipeline with the shipped configs."""
    tools = write_tools(tmp_path / 'tools')

    def _make(**choice):
        settings = dict(
            canonical=['age'],
            encoder='mobileone-micro',
            priors='mobileone-micro',
            data='synthface',
            seeds=[3],
            work_dir=tmp_path / 'work',
        )
        return KTPipeline(Choice(**{**settings, **choice}), index, tools)

    return _make


@pytest.fixture
def weights(tmp_path):
    """Checkpoints of all tasks."""
    paths = {task: tmp_path / f'{task}.pth' for task in TASKS}
    for path in paths.values():
        path.touch()
    return paths


def adapter(pipeline, weights, task='age', seed=3):
    priors = {other: weights[other] for other in pipeline.prior_tasks(task)}
    return pipeline.adapter(task, seed, weights[task], priors)


@pytest.mark.parametrize('data', DATA)
@pytest.mark.parametrize('task', TASKS)
def test_every_data_has_a_baseline_and_an_adapter_for_each_task(make, weights, data, task):
    encoder = 'mobileone-s0' if data == 'paper' else 'mobileone-micro'
    pipeline = make(data=data, encoder=encoder, priors=encoder)
    assert pipeline.baseline(task, encoder, 0).cfg.model.type == 'ImageClassifier'
    model = adapter(pipeline, weights, task).cfg.model
    assert (model.type, model.neck.canonical) == ('FaceAnalyzer', task)


@pytest.mark.parametrize('encoder', ['mobileone-micro', 'convnext-v2-micro', 'swin-micro'])
@pytest.mark.parametrize('priors', ['mobileone-micro', 'convnext-v2-micro', 'swin-micro'])
def test_every_pair_of_small_encoders(make, weights, encoder, priors):
    """Encoders without files of their own are put into the small MobileOne's."""
    pipeline = make(encoder=encoder, priors=priors)
    own, other = (pipeline.baseline('age', name, 0).cfg for name in (encoder, priors))
    stage = adapter(pipeline, weights)
    assert stage.folder.parent.name == (
        f'kt-adapter_{priors}-to-{encoder}_1xb32-10e_synthface-age-64px'
    )
    model = stage.cfg.model
    assert model.backbone == own.model.backbone and model.head == own.model.head
    for prior in model.priors.values():
        theirs = dict(other.model.backbone)
        theirs.pop('drop_path_rate', None)  # of training only
        assert prior.backbone == theirs


def test_unknown_encoders_are_answered_with_those_there_are(make):
    with pytest.raises(StageError, match='mobileone-s9 .*synthface-age-64px') as error:
        make().baseline('age', 'mobileone-s9', 0)
    names = [line.strip() for line in str(error.value).splitlines()[1:]]
    assert {'convnext-v2-micro', 'mobileone-micro', 'swin-micro'} <= set(names)


def test_folders_and_seeds(make, tmp_path):
    stages = [make().baseline('age', 'mobileone-micro', seed) for seed in (3, 4)]
    name = 'mobileone-micro_1xb32-20e_synthface-age-64px'
    for seed, stage in zip((3, 4), stages, strict=True):
        assert stage.folder == tmp_path / 'work' / name / f'seed{seed}'
        assert stage.cfg.randomness == dict(seed=seed, deterministic=False)
        assert stage.inputs == [] and stage.checkpoint.name == 'epoch_20.pth'


def test_an_adapter_starts_from_the_baselines(make, weights):
    pipeline = make(encoder='swin-micro')
    stage = adapter(pipeline, weights)
    assert 'kt-adapter_mobileone-micro-to-swin-micro_' in str(stage.folder)
    model = stage.cfg.model
    assert model.backbone.type == 'SwinTransformer'
    assert model.init_cfg.checkpoint == str(weights['age'])
    for task in ('expression', 'landmarks', 'recognition'):
        assert model.priors[task].backbone.type == 'MobileOne'
        assert model.priors[task].checkpoint == str(weights[task])
    assert set(stage.inputs) == set(weights.values())


@pytest.mark.parametrize('number', [0, 1, 2, 3])
def test_number_of_priors(make, weights, number):
    pipeline = make(num_priors=number)
    tasks = ['expression', 'landmarks', 'recognition'][:number]
    assert pipeline.prior_tasks('age') == tasks
    stage = adapter(pipeline, weights)
    assert stage.cfg.model.num_priors == number
    assert stage.inputs == [weights[task] for task in ('age', *tasks)]
    assert stage.folder != adapter(make(), weights).folder


def test_cached_adapters_see_what_testing_sees(make, weights):
    plain, cached = adapter(make(), weights), adapter(make(cache=True), weights)
    assert cached.folder != plain.folder
    train, test = (cached.cfg[f'{s}_dataloader'].dataset.pipeline for s in ('train', 'test'))
    assert train == test != plain.cfg.train_dataloader.dataset.pipeline
    assert cached.cfg.custom_hooks[-1].type == 'PriorTokenCacheHook'
    assert 'custom_hooks' not in plain.cfg
    # The canonical baseline is that of both.
    baseline = make(cache=True).baseline('age', 'mobileone-micro', 3)
    assert baseline.cfg.train_dataloader == plain.cfg.train_dataloader


def test_given_baselines_are_taken(make, weights):
    given = {('mobileone-micro', 'age'): weights['age']}
    pipeline = make(baselines=given, encoder='mobileone-micro', priors='swin-micro')
    stage = pipeline.baseline('age', 'mobileone-micro', 0)
    assert stage.checkpoint == weights['age'] and stage.is_trained
    assert not pipeline.baseline('age', 'swin-micro', 0).is_trained
    assert not pipeline.baseline('landmarks', 'mobileone-micro', 0).is_trained


def test_options_and_data_roots(make, weights):
    pipeline = make(
        data='paper-64px',
        options={'train_cfg.max_epochs': 2},
        adapter_options={'model.neck.drop_threshold': 0.3},
        data_roots={'age': 'faces'},
    )
    baseline = pipeline.baseline('age', 'mobileone-micro', 0)
    assert baseline.checkpoint.name == 'epoch_2.pth'
    model = adapter(pipeline, weights).cfg
    assert (model.model.neck.drop_threshold, model.train_cfg.max_epochs) == (0.3, 2)
    for split in ('train', 'val', 'test'):
        assert baseline.cfg[f'{split}_dataloader'].dataset.data_root == 'faces'
    other = pipeline.baseline('landmarks', 'mobileone-micro', 0).cfg
    assert other.train_dataloader.dataset.data_root == 'data/wflw/'


@pytest.mark.parametrize(
    ('choice', 'message'),
    [
        (dict(encoder='mobileone-s9'), 'no mobileone-s9 for'),
        (dict(priors='mobileone-s9'), 'no mobileone-s9 for'),
        (dict(encoder='swin-micro', priors='swin-micro', data='paper-64px'), 'swin'),
        (dict(data='paper-64px'), 'data/utkface/.*age=DIR'),
        (dict(data='paper-64px', data_roots={'age': '.'}), 'the data for expression'),
    ],
)
def test_what_is_missing_is_said_before_anything_is_trained(make, tmp_path, choice, message):
    with pytest.raises(StageError, match=message):
        make(**choice).check()
    assert not (tmp_path / 'work').exists()


def test_check_of_checkpoints_and_options(make, tmp_path):
    make().check()
    absent = tmp_path / 'absent.pth'
    with pytest.raises(StageError, match=r'absent\.pth.*swin-micro, age'):
        make(baselines={('swin-micro', 'age'): absent}).check()
    with pytest.raises(UnknownOptionError, match='drop_treshold'):
        make(adapter_options={'model.neck.drop_treshold': 0.3}).check()
