# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Training a FaceAnalyzer with MMEngine's runner."""

import shutil

import pytest
import torch
from forked_processes import train_pair
from mmengine.registry import init_default_scope
from toy_analyzer import PRIORS, training_config

from mmfer.engine.launch import build_runner, set_resume
from mmfer.registry import MODELS


@pytest.fixture
def runtime(repo_root):
    return repo_root / 'configs' / '_base_' / 'default_runtime.py'


@pytest.fixture
def checkpoints(tmp_path):
    """Priors with weights from files, so that both runs of a test have the same."""
    priors = {}
    for task, prior in PRIORS.items():
        path = tmp_path / f'{task}.pth'
        torch.save(MODELS.build(prior['backbone']).state_dict(), path)
        priors[task] = dict(prior, checkpoint=str(path))
    return priors


def train(cfg, resume=None):
    set_resume(cfg, resume)
    runner = build_runner(cfg)
    runner.train()
    return runner


@pytest.mark.parametrize('save_priors', [False, True])
def test_resumed_equals_uninterrupted(tmp_path, runtime, checkpoints, save_priors):
    model = dict(model__priors=checkpoints, model__save_priors=save_priors)
    whole = train(training_config(tmp_path / 'whole', runtime, **model))
    saved = torch.load(tmp_path / 'whole' / 'epoch_2.pth', weights_only=True)['state_dict']
    assert any(name.startswith('priors.') for name in saved) == save_priors

    (tmp_path / 'cut').mkdir()
    shutil.copy(tmp_path / 'whole' / 'epoch_1.pth', tmp_path / 'cut')
    resumed = train(training_config(tmp_path / 'cut', runtime, **model), 'auto')
    assert resumed.epoch == 2
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, resumed.model.state_dict()[name]), name
    moments = [
        [s['exp_avg'] for s in r.optim_wrapper.optimizer.state.values()] for r in (whole, resumed)
    ]
    assert len(moments[0]) == 15 and all(map(torch.equal, *moments))


def test_two_processes_apply_the_gradients_of_one(tmp_path, runtime, checkpoints):
    """A step of two processes with 4 images each equals one with all 8 (no drop mask)."""
    changes = dict(
        model__priors=checkpoints,
        model__neck__drop_mask=False,
        train_dataloader__dataset__num_samples=8,
        train_cfg__max_epochs=1,
        # Adam's first step turns the rounding error of a gradient near 0 into a full step.
        optim_wrapper__optimizer=dict(_delete_=True, type='SGD', lr=0.1),
    )
    config = tmp_path / 'config.json'
    training_config(tmp_path / 'two', runtime, **changes).dump(config)
    train_pair(config, cwd=tmp_path)
    two = torch.load(tmp_path / 'two' / 'epoch_1.pth', weights_only=True)['state_dict']

    changes.update(train_dataloader__batch_size=8)
    one = train(training_config(tmp_path / 'one', runtime, **changes)).model.state_dict()
    init_default_scope('mmfer')
    assert two.keys() == one.keys()
    for name, value in two.items():
        torch.testing.assert_close(value, one[name], rtol=0, atol=1e-6)
    start = MODELS.build(training_config(tmp_path, runtime).model).state_dict()
    assert not torch.equal(two['neck.transfer.ln2.bias'], start['neck.transfer.ln2.bias'])
