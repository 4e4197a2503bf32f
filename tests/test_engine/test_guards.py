# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Hooks that stop runs which would otherwise fail silently."""

import logging
import math

import pytest
import torch
from mmengine.hooks import Hook
from toy_training import toy_config

from mmfer.categories import EXPRESSIONS
from mmfer.engine.hooks.class_names_hook import ClassNamesError
from mmfer.engine.hooks.non_finite_loss_hook import NonFiniteLossError, NonFiniteWeightsError
from mmfer.engine.hooks.weights_match_hook import WeightsMatchHook, WeightsMismatchError
from mmfer.engine.launch import build_runner, set_resume
from mmfer.evaluation.finite_predictions import NonFinitePredictionError
from mmfer.registry import HOOKS


@pytest.fixture
def config(tmp_path, repo_root):
    def _config(name='run', **changes):
        runtime = repo_root / 'configs' / '_base_' / 'default_runtime.py'
        changes.setdefault('train_cfg__max_epochs', 1)
        return toy_config(tmp_path / name, runtime, **changes)

    return _config


@pytest.fixture
def checkpoint(config, tmp_path):
    """A checkpoint of the toy model."""
    build_runner(config('first')).train()
    return str(tmp_path / 'first' / 'epoch_1.pth')


def test_non_finite_loss_stops_before_anything_is_saved(config, tmp_path):
    cfg = config(train_dataloader__dataset__nan_at=10, train_cfg__max_epochs=2)
    cfg.default_hooks.checkpoint.update(by_epoch=False, interval=1)
    with pytest.raises(NonFiniteLossError) as error:
        build_runner(cfg).train()
    message = str(error.value)
    assert 'loss=nan' in message and 'lr=0.1' in message and 'epoch 1' in message
    assert 'faces/10.png' in message and message.count('.png') == 4
    assert 'at iteration 2 ' in message  # with seed 0, image 10 is in the second batch
    assert [path.name for path in (tmp_path / 'run').glob('*.pth')] == ['iter_1.pth']


def test_non_finite_weights_are_an_error(config, checkpoint, tmp_path):
    content = torch.load(checkpoint, weights_only=True)
    for key, value in (('head.bias', torch.nan), ('backbone.1.running_var', torch.inf)):
        weights = {**content['state_dict']}
        weights[key] = weights[key].clone()
        weights[key][0] = value
        torch.save(dict(content, state_dict=weights), tmp_path / 'diverged.pth')
        with pytest.raises(WeightsMismatchError, match=key):
            build_runner(config(key, load_from=str(tmp_path / 'diverged.pth'))).test()


@HOOKS.register_module()
class SpoilHook(Hook):
    """Makes a weight or buffer non-finite after the last step of an epoch."""

    priority = 'HIGH'

    def __init__(self, name, epoch, value):
        self.name, self.epoch, self.value = name, epoch, value

    def after_train_epoch(self, runner):
        if runner.epoch == self.epoch:
            runner.model.state_dict()[self.name][0] = self.value


@HOOKS.register_module()
class SpoilOptimizerHook(SpoilHook):
    """Makes an optimizer state infinite."""

    def after_train_epoch(self, runner):
        if runner.epoch == self.epoch:
            state = next(iter(runner.optim_wrapper.optimizer.state.values()))
            state[self.name].fill_(self.value)


@pytest.mark.parametrize('name', ['head.bias', 'backbone.1.running_mean', 'backbone.1.running_var'])
def test_weights_that_are_not_finite_are_not_saved(config, tmp_path, name):
    """No loss follows the last step, and running statistics do not affect the loss."""
    cfg = config(train_cfg__max_epochs=2)
    cfg.custom_hooks = [dict(type='SpoilHook', name=name, epoch=1, value=float('nan'))]
    with pytest.raises(NonFiniteWeightsError, match=f'epoch 2.*{name}.*--resume'):
        build_runner(cfg).train()
    assert [path.name for path in (tmp_path / 'run').glob('*.pth')] == ['epoch_1.pth']
    cfg = config(train_cfg__max_epochs=2)
    set_resume(cfg, 'auto')
    assert build_runner(cfg).train() is not None
    assert sorted(path.name for path in (tmp_path / 'run').glob('*.pth'))[-1] == 'epoch_2.pth'


def test_an_optimizer_that_is_not_finite_is_not_saved(config, tmp_path):
    """Adam divides by an infinite mean of squares: the weight stays finite and unchanged."""
    adam = dict(_delete_=True, type='Adam', lr=0.1)
    cfg = config(train_cfg__max_epochs=2, optim_wrapper__optimizer=adam)
    cfg.custom_hooks = [dict(type='SpoilOptimizerHook', name='exp_avg_sq', epoch=1, value=math.inf)]
    with pytest.raises(NonFiniteWeightsError, match=r'epoch 2.*optimizer\.state\.0\.exp_avg_sq'):
        build_runner(cfg).train()
    assert [path.name for path in (tmp_path / 'run').glob('*.pth')] == ['epoch_1.pth']


@pytest.mark.parametrize('loop', ['test', 'val'])
def test_predictions_that_are_not_finite_name_the_image(config, checkpoint, loop):
    cfg = config(load_from=checkpoint, **{f'{loop}_dataloader__dataset__nan_at': 10})
    with pytest.raises(NonFinitePredictionError, match=r'pred_score .*faces/10\.png'):
        getattr(build_runner(cfg), loop)()


def test_classes_in_another_order(config, checkpoint):
    other = tuple(sorted(EXPRESSIONS, reverse=True))
    cfg = config(load_from=checkpoint, test_dataloader__dataset__classes=other)
    with pytest.raises(ClassNamesError, match='metainfo'):
        build_runner(cfg).test()


def test_other_classes_are_an_error_unless_allowed(config, checkpoint):
    changes = dict(load_from=checkpoint, train_dataloader__dataset__classes=('smile', 'neutral'))
    changes.update(val_cfg=None, val_dataloader=None, val_evaluator=None)
    with pytest.raises(ClassNamesError, match=r'default_hooks\.class_names\.check=False'):
        build_runner(config(**changes)).train()
    allowed = config('allowed', default_hooks__class_names__check=False, **changes)
    assert build_runner(allowed).train() is not None


def test_fewer_outputs_than_classes_are_an_error(config):
    with pytest.raises(ClassNamesError, match='model.head.num_classes'):
        build_runner(config(model__num_classes=5)).train()


def test_more_outputs_than_classes_are_a_warning(config, monkeypatch):
    runner = build_runner(config(model__num_classes=9))
    said = []
    monkeypatch.setattr(runner.logger, 'warning', said.append)
    runner.train()
    assert any('9 outputs' in str(line) and 'F1' in str(line) for line in said)


def test_checkpoints_without_class_names_pass(config, checkpoint, tmp_path):
    bare = tmp_path / 'bare.pth'
    torch.save(torch.load(checkpoint, weights_only=True)['state_dict'], bare)
    metrics = build_runner(config(load_from=str(bare))).test()
    assert 0 <= metrics['accuracy'] <= 100


def test_checkpoint_of_another_model(config, tmp_path):
    other = tmp_path / 'other.pth'
    torch.save({'state_dict': {'body.0.weight': torch.zeros(3), 'fc.bias': torch.zeros(7)}}, other)
    with pytest.raises(WeightsMismatchError) as error:
        build_runner(config(load_from=str(other))).test()
    message = str(error.value)
    assert '0 weights match (0.0% of the model)' in message
    assert 'backbone.0.weight' in message and 'body.0.weight' in message


def test_checkpoint_of_another_width(config, checkpoint):
    cfg = config('wide', load_from=checkpoint, model__width=16)
    with pytest.raises(WeightsMismatchError, match=r'backbone\.0\.bias'):
        build_runner(cfg).test()
    cfg = config('wider', load_from=checkpoint, model__width=16)
    cfg.default_hooks.weights_match.min_matched = 0
    assert build_runner(cfg).test()


def test_few_differences_are_listed_and_allowed(config, checkpoint, tmp_path):
    content = torch.load(checkpoint, weights_only=True)
    del content['state_dict']['head.bias']
    torch.save(content, tmp_path / 'headless.pth')
    runner = build_runner(config('few', load_from=str(tmp_path / 'headless.pth')))
    records = []
    handler = logging.Handler()
    handler.emit = lambda record: records.append(record.getMessage())
    runner.logger.addHandler(handler)
    runner.logger.setLevel(logging.INFO)
    runner.test()
    said = '\n'.join(records)
    assert '1 are missing' in said and 'in the model only: head.bias' in said


def test_compiled_and_wrapped_models_give_their_weights(config, checkpoint, tmp_path):
    """Without stripping torch.compile's prefix, nothing would be loaded, without an error."""
    content = torch.load(checkpoint, weights_only=True)
    expected = content['state_dict']
    for name, prefix in (('a', '_orig_mod.'), ('b', 'module._orig_mod.'), ('c', 'module.')):
        renamed = {
            prefix + key.replace('backbone.', 'backbone._orig_mod.'): value
            for key, value in expected.items()
        }
        torch.save(dict(content, state_dict=renamed), tmp_path / f'{name}.pth')
        runner = build_runner(config(name, load_from=str(tmp_path / f'{name}.pth')))
        runner.load_or_resume()
        for key, value in runner.model.state_dict().items():
            assert torch.equal(value, expected[key]), key


class TestIncomplete:
    """Half of the weights are enough to start a run, but not to resume one."""

    def resumed(self, config, tmp_path, content, **changes):
        torch.save(content, tmp_path / 'cut.pth')
        cfg = config('resumed', train_cfg__max_epochs=2, **changes)
        set_resume(cfg, str(tmp_path / 'cut.pth'))
        return build_runner(cfg).train()

    def test_whole(self, config, checkpoint, tmp_path):
        content = torch.load(checkpoint, weights_only=True)
        assert self.resumed(config, tmp_path, content) is not None
        del content['contents']  # as in older checkpoints and MMEngine's own
        assert self.resumed(config, tmp_path, content) is not None

    @pytest.mark.parametrize('noted', [True, False], ids=['noted', 'of before'])
    @pytest.mark.parametrize(
        'take',
        [
            lambda content: content['state_dict'].pop('head.bias'),
            lambda content: content['state_dict'].pop('backbone.1.running_var'),
            lambda content: content['optimizer']['state'].pop(3),
            lambda content: content['optimizer']['param_groups'][0]['params'].pop(),
            lambda content: content.pop('optimizer'),
            lambda content: content.pop('message_hub'),
            lambda content: content.pop('param_schedulers'),
            lambda content: content['param_schedulers'].clear(),
            lambda content: content['optimizer']['state'].clear(),
            lambda content: content['optimizer']['state'][0]['momentum_buffer'].fill_(math.nan),
            lambda content: content['meta'].pop('iter'),
            lambda content: content['state_dict'].update(other=torch.ones(1)),
            lambda content: content['state_dict'].update({'head.bias': torch.ones(9)}),
        ],
        ids=range(13),
    )
    def test_missing_parts_are_an_error(self, config, checkpoint, tmp_path, take, noted):
        content = torch.load(checkpoint, weights_only=True)
        take(content)
        if not noted:
            del content['contents']
        with pytest.raises(WeightsMismatchError, match='cannot be resumed'):
            self.resumed(config, tmp_path, content)

    @pytest.mark.parametrize('key', ['random_state', 'message_hub', 'optimizer'])
    def test_what_only_the_note_tells(self, config, checkpoint, tmp_path, key):
        content = torch.load(checkpoint, weights_only=True)
        content[key] = type(content[key])()
        with pytest.raises(WeightsMismatchError, match=f'its {key} has'):
            self.resumed(config, tmp_path, content)

    def test_the_check_can_be_turned_off(self, config, checkpoint, tmp_path):
        content = torch.load(checkpoint, weights_only=True)
        del content['state_dict']['head.bias']
        changes = dict(default_hooks__weights_match__min_matched=0)
        assert self.resumed(config, tmp_path, content, **changes) is not None


@pytest.mark.parametrize('value', [-0.1, 50])
def test_share_must_be_a_share(value):
    with pytest.raises(ValueError, match='min_matched'):
        WeightsMatchHook(min_matched=value)
