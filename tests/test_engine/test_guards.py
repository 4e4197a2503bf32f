# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Hooks that stop a run which would otherwise go wrong silently."""

import logging

import pytest
import torch
from toy_training import toy_config

from mmfer.categories import EXPRESSIONS
from mmfer.engine.hooks.class_names_hook import ClassNamesError
from mmfer.engine.hooks.non_finite_loss_hook import NonFiniteLossError
from mmfer.engine.hooks.weights_match_hook import WeightsMatchHook, WeightsMismatchError
from mmfer.engine.launch import build_runner


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
    assert 'at iteration 2 ' in message  # with seed 0, picture 10 comes in the second batch
    assert [path.name for path in (tmp_path / 'run').glob('*.pth')] == ['iter_1.pth']


def test_weights_that_are_no_numbers_are_refused(config, checkpoint, tmp_path):
    content = torch.load(checkpoint, weights_only=True)
    content['state_dict']['head.bias'][0] = torch.nan
    torch.save(content, tmp_path / 'diverged.pth')
    with pytest.raises(WeightsMismatchError, match='head.bias'):
        build_runner(config(load_from=str(tmp_path / 'diverged.pth'))).test()


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


@pytest.mark.parametrize('value', [-0.1, 50])
def test_share_must_be_a_share(value):
    with pytest.raises(ValueError, match='min_matched'):
        WeightsMatchHook(min_matched=value)
