# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""A resumed run applies changes of its config, or raises an error if it cannot."""

import math

import pytest
import torch
from mmengine.optim import OptimWrapper
from toy_training import toy_config

from mmfer.engine.launch import build_runner, set_resume
from mmfer.engine.resumed_schedule import ResumeError, differences, training_settings
from mmfer.registry import OPTIM_WRAPPERS

COSINE = dict(type='CosineAnnealingLR', T_max=4, by_epoch=True)
PLATEAU = [dict(type='ReduceOnPlateauLR', monitor='accuracy')]
ONE_CYCLE = dict(type='OneCycleLR', eta_max=0.1, by_epoch=False)
SCALED = dict(base_batch_size=4, enable=True)
ADAM = dict(_delete_=True, type='Adam', lr=0.1)
SGD = dict(optim_wrapper__optimizer=dict(_delete_=True, type='SGD', lr=0.1))
BY_ITERATION = dict(
    train_cfg=dict(_delete_=True, by_epoch=False, max_iters=12, val_interval=12),
    train_dataloader__sampler=dict(type='InfiniteSampler'),
    param_scheduler=[dict(type='CosineAnnealingLR', T_max=12, by_epoch=False)],
    default_hooks__checkpoint__by_epoch=False,
)


@OPTIM_WRAPPERS.register_module()
class ScaledOptimWrapper(OptimWrapper):
    """Has a loss scale in its state, which doubles during training."""

    def __init__(self, loss_scale, **kwargs):
        super().__init__(**kwargs)
        self.scale = loss_scale

    def state_dict(self):
        return {**super().state_dict(), 'loss_scaler': {'scale': 2 * self.scale}}

    def load_state_dict(self, state_dict):
        self.scale = state_dict.pop('loss_scaler', {'scale': self.scale})['scale']
        super().load_state_dict(state_dict)


@pytest.fixture
def run(tmp_path, repo_root):
    """Train with changes to the toy config, always in the same work folder."""

    def _run(resume=None, name='run', **changes):
        runtime = repo_root / 'configs/_base_/default_runtime.py'
        changes.setdefault('default_hooks__checkpoint__max_keep_ckpts', -1)
        cfg = toy_config(tmp_path / name, runtime, **changes)
        set_resume(cfg, resume)
        runner = build_runner(cfg)
        runner.said = []
        runner.logger.warning = lambda message, *args: runner.said.append(str(message))
        runner.train()
        return runner

    _run.folder = tmp_path / 'run'
    return _run


@pytest.fixture
def change(tmp_path):
    """Change the checkpoint of an epoch."""

    def _change(function, name='epoch_2'):
        path = tmp_path / 'run' / f'{name}.pth'
        content = torch.load(path, weights_only=True)
        function(content)
        torch.save(content, path)

    return _change


def rates(runner):
    """Return the learning rate of each iteration."""
    return list(runner.message_hub.get_scalar('train/lr').data[0])


def assert_same(first, second):
    for name, value in first.model.state_dict().items():
        assert torch.equal(value, second.model.state_dict()[name]), name


@pytest.mark.parametrize(
    'schedule',
    [
        [COSINE],
        [dict(COSINE, convert_to_iter_based=True)],
        [dict(type='LinearLR', start_factor=0.1, by_epoch=False, end=7), COSINE],
        [
            dict(type='MultiStepLR', milestones=[1, 3]),
            dict(type='CosineAnnealingMomentum', T_max=4),
        ],
        [dict(type='OneCycleLR', eta_max=0.1, total_steps=12, by_epoch=False)],
        None,
    ],
    ids=lambda value: '-'.join(one['type'] for one in value or []) or 'none',
)
@pytest.mark.parametrize('paramwise', [None, dict(bias_lr_mult=2.0, norm_decay_mult=0.0)])
def test_taking_over_the_same_settings_changes_nothing(run, change, schedule, paramwise):
    """The recomputed schedule equals the one in training, bit for bit."""
    changes = dict(param_scheduler=schedule, optim_wrapper__paramwise_cfg=paramwise)
    whole = run(name='whole', **changes)
    run(**changes)
    change(lambda content: content['meta'].update(cfg=0), 'epoch_3')
    resumed = run(str(run.folder / 'epoch_3.pth'), **changes)
    assert any('cannot be compared' in line for line in resumed.said)
    assert_same(whole, resumed)
    assert rates(whole) == rates(resumed)


def test_nothing_is_logged_if_nothing_has_changed(run):
    run(train_cfg__max_epochs=4)
    assert run(str(run.folder / 'epoch_3.pth')).said == []


@pytest.mark.parametrize(
    'changes',
    [
        dict(optim_wrapper__optimizer__lr=0.01),
        dict(optim_wrapper__optimizer__weight_decay=0.5),
        dict(optim_wrapper__optimizer__momentum=0.1),
        dict(optim_wrapper__optimizer__momentum=0),
        dict(optim_wrapper__paramwise_cfg=None, param_scheduler=None),
        dict(param_scheduler=[dict(type='StepLR', step_size=1, gamma=0.5)]),
        dict(param_scheduler=[dict(type='LinearLR', end=3), COSINE]),
        dict(param_scheduler=[dict(COSINE, T_max=8)], train_cfg__max_epochs=8),
        dict(param_scheduler=[dict(COSINE, eta_min=0.05)]),
        dict(train_cfg__max_epochs=3, param_scheduler=[dict(COSINE, T_max=3)]),
        dict(auto_scale_lr=dict(base_batch_size=2, enable=True)),
        dict(optim_wrapper__accumulative_counts=2),
    ],
    ids=lambda changes: ','.join(changes),
)
def test_changed_settings_take_effect(run, changes):
    """After the checkpoint, all is as in a run with these settings from the start."""
    run()
    fresh, resumed = run(name='fresh', **changes), run(str(run.folder / 'epoch_2.pth'), **changes)
    assert rates(resumed)[6:] == rates(fresh)[6:] and len(rates(resumed)) == len(rates(fresh))
    groups = [r.optim_wrapper.optimizer.param_groups for r in (fresh, resumed)]
    for one, other in zip(*groups, strict=True):
        assert {k: v for k, v in one.items() if k != 'params'} == {
            k: v for k, v in other.items() if k != 'params'
        }
    name, value = next(iter(changes.items()))
    assert any(name.replace('__', '.').split('.')[0] in line for line in resumed.said)


@pytest.mark.parametrize('scheduler', [COSINE, dict(COSINE, convert_to_iter_based=True)])
@pytest.mark.parametrize(
    'changes', [dict(train_dataloader__batch_size=2), dict(train_dataloader__dataset__size=24)]
)
def test_iterations_are_converted_by_epochs(run, scheduler, changes):
    """With twice as many iterations per epoch, the schedule is at the end of two such epochs."""
    changes = dict(changes, param_scheduler=[scheduler])
    run(param_scheduler=[scheduler])
    fresh, resumed = run(name='fresh', **changes), run(str(run.folder / 'epoch_2.pth'), **changes)
    assert (resumed.epoch, resumed.iter) == (4, 24)
    assert rates(resumed)[6:] == rates(fresh)[12:]
    assert any('iterations so far: 6 -> 12' in line for line in resumed.said)


def test_another_number_of_processes(run, change):
    """A checkpoint as if from two processes: an epoch had half as many iterations."""
    run()

    def of_two(content):
        content['meta'].update(world_size=2, iter=4)

    change(of_two)
    resumed = run(str(run.folder / 'epoch_2.pth'))
    assert (
        resumed.iter == 12 and 'Resuming with a changed setting: processes: 2 -> 1' in resumed.said
    )


def test_a_resumed_run_is_resumed_as_it_was(run):
    """The second time, the settings equal those of the checkpoint."""
    run()
    changes = dict(optim_wrapper__optimizer__lr=0.01, train_dataloader__batch_size=2)
    whole = run(str(run.folder / 'epoch_2.pth'), name='first', **changes)
    again = run(str(run.folder.parent / 'first/epoch_3.pth'), name='second', **changes)
    assert again.said == []
    assert_same(whole, again)


@pytest.mark.parametrize('batch', [4, 2])
def test_an_epoch_with_a_checkpoint_inside_starts_again(run, batch):
    """Otherwise the schedule would end before training does."""
    schedule = [dict(COSINE, convert_to_iter_based=True)]
    changes = dict(train_dataloader__batch_size=batch, param_scheduler=schedule)
    run(default_hooks__checkpoint__by_epoch=False, param_scheduler=schedule)
    fresh, resumed = run(name='fresh', **changes), run(str(run.folder / 'iter_4.pth'), **changes)
    length = 12 // batch
    assert (resumed.epoch, resumed.iter) == (4, 4 * length)
    assert rates(resumed)[4:] == rates(fresh)[length:]
    assert any(f'iterations so far: 4 -> {length}' in line for line in resumed.said)


def test_a_schedule_by_metrics_may_become_longer(run):
    run(param_scheduler=PLATEAU)
    resumed = run(str(run.folder / 'epoch_4.pth'), param_scheduler=PLATEAU, train_cfg__max_epochs=6)
    assert resumed.iter == 18 and resumed.param_schedulers[0].end == 6


@pytest.mark.parametrize('interval', [1, 2])
def test_a_schedule_by_metrics_gets_those_behind_the_checkpoint(run, interval):
    """The validation that halves the learning rate follows the checkpoint of its epoch."""
    schedule = [dict(PLATEAU[0], patience=0, rule='greater', threshold=1000, factor=0.5)]
    changes = dict(param_scheduler=schedule, train_cfg__val_interval=interval)
    changes.update(train_cfg__max_epochs=6)
    whole = run(**changes)
    assert min(rates(whole)) < 0.1
    for epoch in (2, 4, 5):
        resumed = run(str(run.folder / f'epoch_{epoch}.pth'), name='resumed', **changes)
        assert rates(resumed) == rates(whole)
        assert_same(resumed, whole)
    longer = run(str(run.folder / 'epoch_4.pth'), **{**changes, 'train_cfg__max_epochs': 7})
    rate = rates(longer)[12]
    assert rate == rates(whole)[12]
    assert any(f'epoch 4, iteration 12: lr={rate:.4g}.' in line for line in longer.said)


@pytest.mark.parametrize('schedule', [None, []], ids=['none', 'empty'])
def test_a_schedule_is_added(run, schedule):
    run(param_scheduler=schedule)
    fresh, resumed = run(name='fresh'), run(str(run.folder / 'epoch_2.pth'))
    assert rates(resumed)[6:] == rates(fresh)[6:]


def test_the_loss_scale_is_that_of_the_config(run):
    """Like the loss scale of AmpOptimWrapper, which needs a GPU."""
    scaled = dict(optim_wrapper__type='ScaledOptimWrapper', optim_wrapper__loss_scale=2.0)
    run(**scaled)
    assert run(str(run.folder / 'epoch_2.pth'), **scaled).optim_wrapper.scale == 4
    scaled['optim_wrapper__loss_scale'] = 7.0
    assert run(str(run.folder / 'epoch_2.pth'), **scaled).optim_wrapper.scale == 7


def test_training_by_iterations_stays_at_its_iteration(run):
    run(**BY_ITERATION, default_hooks__checkpoint__interval=6)
    resumed = run(
        str(run.folder / 'iter_6.pth'),
        **BY_ITERATION,
        train_dataloader__batch_size=2,
        optim_wrapper__optimizer__lr=0.2,
    )
    assert resumed.iter == 12
    assert math.isclose(rates(resumed)[6], 0.1 * (1 + math.cos(math.pi * 6 / 12)))


@pytest.mark.parametrize(
    ('before', 'after', 'reason'),
    [
        (dict(optim_wrapper__optimizer=ADAM), SGD, r'SGD, with the state \[\]'),
        ({}, dict(optim_wrapper__optimizer=ADAM), 'Adam, with the state .*exp_avg'),
        (
            {},
            dict(optim_wrapper__paramwise_cfg=dict(bias_lr_mult=2.0)),
            '1 groups, this run has .* in 6',
        ),
        ({}, dict(randomness__seed=1), 'seed 0 .*--seed 0'),
        ({}, dict(train_dataloader__sampler__seed=1), 'its own random numbers'),
        (dict(custom_hooks=[dict(type='EMAHook')]), {}, 'averaged weights'),
        (
            dict(param_scheduler=PLATEAU, auto_scale_lr=SCALED),
            dict(param_scheduler=PLATEAU, auto_scale_lr=SCALED, train_dataloader__batch_size=2),
            'metrics of past epochs',
        ),
        ({}, BY_ITERATION, 'by epochs and by iterations'),
        (
            dict(param_scheduler=PLATEAU),
            dict(param_scheduler=PLATEAU, optim_wrapper__optimizer__lr=0.2),
            'metrics of past epochs',
        ),
        ({}, dict(param_scheduler=[dict(ONE_CYCLE, total_steps=3)]), 'advanced to epoch 2'),
    ],
    ids=lambda value: value if isinstance(value, str) else '',
)
def test_changes_that_cannot_be_applied_are_errors(run, before, after, reason):
    run(**before)
    with pytest.raises(ResumeError, match=reason):
        run(str(run.folder / 'epoch_2.pth'), **after)


def test_a_checkpoint_of_weights_cannot_be_resumed(run, change):
    run()
    change(lambda content: content.pop('optimizer'))
    with pytest.raises(ValueError, match='(?s)no optimizer.*load_from='):
        run(str(run.folder / 'epoch_2.pth'))


def test_an_optimizer_of_the_same_kind_keeps_its_momenta(run):
    run(optim_wrapper__optimizer=ADAM)
    resumed = run(
        str(run.folder / 'epoch_2.pth'), optim_wrapper__optimizer=dict(ADAM, type='AdamW')
    )
    state = next(iter(resumed.optim_wrapper.optimizer.state.values()))
    assert state['step'] == 12


def test_resumed_where_the_schedule_has_come_to_zero(run):
    run()
    assert run(str(run.folder / 'epoch_4.pth'), train_cfg__max_epochs=5).epoch == 5


def test_nothing_left_to_train(run):
    run()
    resumed = run(str(run.folder / 'epoch_4.pth'))
    assert any('Nothing is left to train' in line for line in resumed.said)
    assert resumed.iter == 12


def test_nothing_of_the_checkpoint_is_executed(run, change, tmp_path):
    """MMEngine runs ``meta['config']`` of a resumed checkpoint as a Python file."""
    run()
    code = f"open({str(tmp_path / 'executed')!r}, 'w')"
    change(lambda content: content['meta'].update(config=code))
    run(str(run.folder / 'epoch_2.pth'))
    assert not (tmp_path / 'executed').exists()


def test_settings_are_leaves_of_some_sections():
    cfg = dict(
        optim_wrapper=dict(optimizer=dict(lr=0.1, betas=(0.9, 0.99))),
        param_scheduler=[],
        train_cfg=dict(max_epochs=2, val_interval=1),
        model=dict(type='A'),
    )
    settings = training_settings(cfg)
    assert settings == {
        'optim_wrapper.optimizer.lr': 0.1,
        'optim_wrapper.optimizer.betas.0': 0.9,
        'optim_wrapper.optimizer.betas.1': 0.99,
        'param_scheduler': [],
        'train_cfg.max_epochs': 2,
    }
    assert list(differences(settings, {**settings, 'train_cfg.max_epochs': 3})) == [
        'train_cfg.max_epochs: 2 -> 3'
    ]
