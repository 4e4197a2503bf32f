# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""An interrupted and resumed run ends where the uninterrupted one ends, bit for bit."""

import random
import shutil

import numpy as np
import pytest
import torch
from mmengine.evaluator import BaseMetric
from mmengine.hooks import Hook
from mmengine.logging import MessageHub
from mmengine.runner import Runner
from toy_training import toy_config

from mmfer.engine.launch import build_runner, set_resume
from mmfer.engine.resumed_schedule import state_names
from mmfer.registry import HOOKS, METRICS


class PowerCut(Exception):
    pass


@HOOKS.register_module()
class PowerCutHook(Hook):
    """Stop the process after the validation of an epoch, or in the middle of one."""

    def __init__(self, epoch, batch=None):
        self.epoch, self.batch = epoch, batch

    def after_val_epoch(self, runner, metrics=None):
        if self.batch is None and runner.epoch == self.epoch:
            raise PowerCut

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if (runner.epoch, batch_idx) == (self.epoch, self.batch):
            raise PowerCut


@METRICS.register_module()
class NthIsBest(BaseMetric):
    """An age error, smallest in one epoch of 3 iterations; a power cut may come first."""

    power_cut = False

    def __init__(self, nth):
        super().__init__()
        self.nth = nth

    def process(self, data_batch, data_samples):
        self.results.append(0)

    def compute_metrics(self, results):
        iteration = MessageHub.get_current_instance().get_info('iter')  # the last or next iteration
        distance = abs((iteration + 1) // 3 - self.nth)
        if NthIsBest.power_cut and not distance:
            NthIsBest.power_cut = False
            raise PowerCut
        return {'age': distance}


@pytest.fixture
def runtime(repo_root):
    return repo_root / 'configs' / '_base_' / 'default_runtime.py'


def train(cfg, resume=None):
    set_resume(cfg, resume)
    runner = build_runner(cfg)
    try:
        runner.train()
    finally:
        # Workers of an unfinished iterator stop at once if it is deleted; if the garbage
        # collector finds it, torch waits 5 seconds for each.
        vars(runner.train_loop).pop('dataloader_iterator', None)
    return runner


def cut(cfg, **when):
    cfg.custom_hooks = [dict(type='PowerCutHook', **when)]
    with pytest.raises(PowerCut):
        train(cfg)


def scramble():
    """A new process has another random state."""
    random.seed(99)
    np.random.seed(99)
    torch.manual_seed(99)


def assert_same_end(first, second):
    weights = first.model.state_dict()
    assert weights.keys() == second.model.state_dict().keys()
    for name, value in second.model.state_dict().items():
        assert torch.equal(weights[name], value), name
    momentum = [
        [s['momentum_buffer'] for s in r.optim_wrapper.optimizer.state.values()]
        for r in (first, second)
    ]
    assert momentum[0] and all(map(torch.equal, *momentum))
    history = [r.message_hub.get_scalar('train/loss').data[0] for r in (first, second)]
    assert len(history[0]) == 12
    np.testing.assert_array_equal(*history)


@pytest.mark.parametrize('workers', [0, 2])
@pytest.mark.parametrize('when', [{'epoch': 2}, {'epoch': 2, 'batch': 1}], ids=['epoch', 'batch'])
def test_resumed_equals_uninterrupted(tmp_path, runtime, workers, when):
    changes = dict(train_dataloader__num_workers=workers)
    whole = train(toy_config(tmp_path / 'whole', runtime, **changes))
    cut(toy_config(tmp_path / 'cut', runtime, **changes), **when)
    scramble()
    resumed = train(toy_config(tmp_path / 'cut', runtime, **changes), 'auto')
    assert_same_end(whole, resumed)


@pytest.mark.parametrize('sampler', ['DefaultSampler', 'ClassBalancedSampler'])
def test_resume_is_exact_without_a_seed_in_the_config(tmp_path, runtime, sampler):
    changes = dict(randomness__seed=None, train_dataloader__sampler__type=sampler)
    cut(toy_config(tmp_path / 'a', runtime, **changes), epoch=2)
    shutil.copytree(tmp_path / 'a', tmp_path / 'b')
    ends = []
    for name in 'ab':
        scramble() if name == 'b' else None
        ends.append(train(toy_config(tmp_path / name, runtime, **changes), 'auto'))
    assert_same_end(*ends)


def test_a_scheduler_that_holds_a_function_resumes_exactly(tmp_path, runtime):
    scheduler = dict(type='OneCycleLR', eta_max=0.1, total_steps=12, by_epoch=False)
    whole = train(toy_config(tmp_path / 'whole', runtime, param_scheduler=[scheduler]))
    cut(toy_config(tmp_path / 'cut', runtime, param_scheduler=[scheduler]), epoch=2)
    torch.load(tmp_path / 'cut' / 'epoch_2.pth', weights_only=True)
    resumed = train(toy_config(tmp_path / 'cut', runtime, param_scheduler=[scheduler]), 'auto')
    assert_same_end(whole, resumed)


def test_best_checkpoint_saved_during_validation_resumes_exactly(tmp_path, runtime):
    # MMEngine saves the last checkpoint again in the middle of a validation with a new best score.
    changes = dict(default_hooks__checkpoint__save_best='accuracy', val_dataloader__num_workers=2)
    whole = train(toy_config(tmp_path / 'whole', runtime, **changes))
    cut(toy_config(tmp_path / 'cut', runtime, **changes), epoch=1)
    resumed = train(toy_config(tmp_path / 'cut', runtime, **changes), 'auto')
    assert_same_end(whole, resumed)


@pytest.mark.parametrize(('epoch', 'interval'), [(2, 1), (4, 1), (4, 3)])
@pytest.mark.parametrize('by_epoch', [True, False])
def test_a_validation_that_was_stopped_may_still_find_the_best(
    tmp_path, runtime, epoch, interval, by_epoch
):
    """The checkpoint is saved before it; after the last one nothing is left to train."""

    def config(folder):
        changes = {'default_hooks__checkpoint__save_best': 'age'}
        changes['train_cfg__val_interval'] = interval
        if not by_epoch:
            del changes['train_cfg__val_interval']
            changes |= dict(
                train_cfg=dict(
                    _delete_=True, by_epoch=False, max_iters=12, val_interval=3 * interval
                ),
                train_dataloader__sampler=dict(type='InfiniteSampler'),
                param_scheduler=[dict(type='CosineAnnealingLR', T_max=12, by_epoch=False)],
                default_hooks__checkpoint__by_epoch=False,
                default_hooks__checkpoint__interval=3,
            )
        changes['val_evaluator'] = dict(_delete_=True, type='NthIsBest', nth=epoch)
        changes['default_hooks__checkpoint__rule'] = 'less'
        return toy_config(folder, runtime, **changes)

    train(config(tmp_path / 'whole'))
    NthIsBest.power_cut = True
    with pytest.raises(PowerCut):
        train(config(tmp_path / 'cut'))
    train(config(tmp_path / 'cut'), resume='auto')
    names = [{path.name for path in (tmp_path / it).glob('*.pth')} for it in ('whole', 'cut')]
    best = f'best_age_epoch_{epoch}.pth' if by_epoch else f'best_age_iter_{3 * epoch}.pth'
    assert names[0] == names[1] and best in names[0]
    ours, theirs = (torch.load(tmp_path / it / best)['state_dict'] for it in ('whole', 'cut'))
    torch.testing.assert_close(ours, theirs, rtol=0, atol=0)


def test_names_of_an_optimizers_state_do_not_depend_on_the_gpu():
    optimizer = torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))], capturable=True)
    names = state_names(optimizer, optimizer.param_groups[0])
    assert names == {'step', 'exp_avg', 'exp_avg_sq'}


def test_validation_does_not_change_training(tmp_path, runtime):
    with_val = train(toy_config(tmp_path / 'a', runtime))
    without = toy_config(tmp_path / 'b', runtime)
    without.val_cfg = without.val_dataloader = without.val_evaluator = None
    assert_same_end(with_val, train(without))


@pytest.mark.parametrize(
    'sampler',
    [dict(type='InfiniteSampler'), dict(type='ClassBalancedSampler', infinite=True)],
    ids=lambda sampler: sampler['type'],
)
def test_iteration_based_training_resumes_with_the_same_data_and_dropout(
    tmp_path, runtime, sampler
):
    changes = dict(
        train_dataloader__dataset__noise=0.0,  # augmentation is not exact
        train_cfg=dict(_delete_=True, by_epoch=False, max_iters=12, val_interval=5),
        train_dataloader__num_workers=1,
        train_dataloader__sampler=sampler,
        default_hooks__checkpoint__by_epoch=False,
        default_hooks__checkpoint__interval=4,
        param_scheduler=[dict(type='CosineAnnealingLR', T_max=12, by_epoch=False)],
    )
    whole = train(toy_config(tmp_path / 'whole', runtime, **changes))
    cut(toy_config(tmp_path / 'cut', runtime, **changes), epoch=0, batch=9)
    resumed = train(toy_config(tmp_path / 'cut', runtime, **changes), 'auto')
    assert_same_end(whole, resumed)


def test_checkpoints_load_with_weights_only_and_keep_the_class_names(tmp_path, runtime):
    wrapped = dict(
        train_dataloader__dataset=dict(
            type='ClassBalancedDataset', oversample_thr=0.2, dataset=dict(type='ToyFaces')
        ),
        train_cfg__max_epochs=1,
    )
    train(toy_config(tmp_path, runtime, **wrapped))
    checkpoint = torch.load(tmp_path / 'epoch_1.pth', weights_only=True)
    assert checkpoint['meta']['dataset_meta']['classes'][3] == 'Sadness'
    assert len(checkpoint['random_state']) == 1
    assert checkpoint['state_dict']._metadata['backbone.1'] == {'version': 2}


def test_stock_checkpoint_resumes(tmp_path, runtime):
    """A run with MMEngine's own hooks can be resumed with ours."""
    stock = toy_config(tmp_path, runtime, train_cfg__max_epochs=2)
    stock.default_hooks = dict(checkpoint=dict(type='CheckpointHook', interval=1))
    Runner.from_cfg(stock).train()
    with pytest.raises(Exception, match='weights_only'):
        torch.load(tmp_path / 'epoch_2.pth', weights_only=True)

    resumed = train(toy_config(tmp_path, runtime), 'auto')
    values, counts = resumed.message_hub.get_scalar('train/loss').data
    assert len(values) == len(counts) == 12  # 6 with MMEngine's hooks and 6 after it
    assert resumed.epoch == 4


def test_nothing_to_resume_starts_from_the_beginning(tmp_path, runtime):
    runner = train(toy_config(tmp_path, runtime, train_cfg__max_epochs=1), 'auto')
    assert runner.iter == 3


def test_load_from_starts_a_new_run(tmp_path, runtime):
    train(toy_config(tmp_path / 'a', runtime, train_cfg__max_epochs=1))
    cfg = toy_config(
        tmp_path / 'b',
        runtime,
        load_from=str(tmp_path / 'a' / 'epoch_1.pth'),
        train_cfg__max_epochs=1,
    )
    assert train(cfg).iter == 3


def test_load_from_restores_no_random_state(tmp_path, runtime):
    # Otherwise runs with different seeds from one checkpoint would draw the same numbers.
    train(toy_config(tmp_path / 'before', runtime, train_cfg__max_epochs=1))
    with_state = torch.load(tmp_path / 'before' / 'epoch_1.pth', weights_only=True)
    without = {k: v for k, v in with_state.items() if k not in ('random_state', 'sampler_seed')}
    assert without.keys() != with_state.keys()
    ends = []
    for name, checkpoint in (('with', with_state), ('without', without)):
        torch.save(checkpoint, tmp_path / f'{name}.pth')
        cfg = toy_config(tmp_path / name, runtime, load_from=str(tmp_path / f'{name}.pth'))
        ends.append(train(cfg))
    assert_same_end(*ends)


def test_config_text_in_a_checkpoint_is_not_run(tmp_path, runtime):
    """MMEngine's ``resume`` runs ``meta['config']``, which old runners wrote."""
    mark = tmp_path / 'mark'
    cfg = toy_config(tmp_path, runtime)
    cut(cfg, epoch=1)
    path = tmp_path / 'epoch_1.pth'
    content = torch.load(path, weights_only=True)
    content['meta']['config'] = f'open({str(mark)!r}, "w")'
    torch.save(content, path)
    assert train(toy_config(tmp_path, runtime), 'auto').iter == 12
    assert not mark.exists()
