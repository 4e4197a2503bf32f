# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""A run that would do nothing is an error before it starts."""

import pytest
from toy_training import ToyModel, toy_config

from mmfer.engine import checked_runner
from mmfer.engine.checked_runner import NothingToDoError
from mmfer.engine.launch import build_runner
from mmfer.registry import MODELS

INFINITE = dict(
    train_cfg=dict(_delete_=True, by_epoch=False, max_iters=2, val_interval=2),
    train_dataloader__drop_last=True,
    train_dataloader__dataset__size=3,
    train_dataloader__sampler=dict(type='InfiniteSampler'),
    param_scheduler=None,
)


@MODELS.register_module()
class FrozenToyModel(ToyModel):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.requires_grad_(False)


@MODELS.register_module()
class LossToyModel(ToyModel):
    """Like mmpretrain's classifiers, with a separate method ``loss``."""

    def forward(self, inputs, data_samples=None, mode='tensor'):
        if mode == 'loss':
            return self.loss(inputs, data_samples)
        return super().forward(inputs, data_samples, mode)

    def loss(self, inputs, data_samples):
        return super().forward(inputs, data_samples, 'loss')


@pytest.fixture
def config(tmp_path, repo_root):
    def _config(**changes):
        return toy_config(tmp_path, repo_root / 'configs/_base_/default_runtime.py', **changes)

    return _config


CONVERTED = [dict(type='CosineAnnealingLR', T_max=4, convert_to_iter_based=True)]


@pytest.mark.parametrize('schedule', [CONVERTED, None], ids=['iterations', 'none'])
def test_fewer_images_than_a_batch(config, tmp_path, schedule):
    few = dict(train_dataloader__dataset__size=3, train_dataloader__drop_last=True)
    with pytest.raises(NothingToDoError) as error:
        build_runner(config(**few, param_scheduler=schedule)).train()
    message = str(error.value)
    assert 'train_dataloader.dataset has 3 images' in message
    assert 'needs 4 (train_dataloader.batch_size)' in message and 'drop_last=True' in message
    assert not list(tmp_path.glob('*.pth'))


@pytest.mark.parametrize(
    ('changes', 'reason'),
    [
        (dict(train_dataloader__dataset__size=0), 'train_dataloader.dataset has 0 images'),
        (dict(train_cfg__max_epochs=0), 'train_cfg.max_epochs is 0'),
        (dict(train_cfg__val_interval=0), 'train_cfg.val_interval is 0.*--no-validate'),
        (dict(val_dataloader__dataset__size=0), 'val_dataloader.dataset has 0 images'),
        (
            dict(val_dataloader__dataset__size=2, val_dataloader__drop_last=True),
            'val_dataloader yields no batch',
        ),
        (dict(model__type='FrozenToyModel'), 'all are frozen'),
        (dict(optim_wrapper__optimizer__lr=0.0), 'learning rate is 0'),
        (dict(INFINITE, train_dataloader__dataset__size=0), 'has 0 images'),
        (dict(INFINITE, train_dataloader__sampler=dict(type='DefaultSampler')), 'yields no batch'),
        (
            dict(
                INFINITE, train_cfg=dict(_delete_=True, by_epoch=False, max_iters=0, val_interval=1)
            ),
            'train_cfg.max_iters is 0',
        ),
    ],
)
def test_nothing_to_do(config, changes, reason):
    changes.setdefault('train_dataloader__sampler', dict(type='DefaultSampler', shuffle=False))
    with pytest.raises(NothingToDoError, match=reason):
        build_runner(config(**changes)).train()


def test_nothing_to_test_on(config):
    with pytest.raises(NothingToDoError, match='test_dataloader.dataset has 0 images'):
        build_runner(config(test_dataloader__dataset__size=0)).test()


def test_an_infinite_sampler_fills_a_batch(config):
    runner = build_runner(config(**INFINITE))
    runner.train()
    assert runner.iter == 2


def test_processes_with_different_numbers_of_iterations(config, monkeypatch):
    monkeypatch.setattr(checked_runner, 'get_world_size', lambda: 2)
    monkeypatch.setattr(checked_runner, 'all_gather_object', lambda length: [length, length - 1])
    with pytest.raises(NothingToDoError, match=r'\[3, 2\] iterations.*round_up=True'):
        build_runner(config()).train()


def test_the_loss_is_compiled_once(config):
    """Learning rates and logged values change with each step, without recompiling."""
    graphs = []

    def backend(graph, inputs):
        graphs.append(graph)
        return graph

    runner = build_runner(config(model__type='LossToyModel'))
    runner.cfg.compile = dict(backend=backend, fullgraph=True)
    runner.train()
    assert runner.iter == 12 and len(graphs) == 1
