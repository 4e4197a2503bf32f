# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Tests of what may differ on a GPU (``pytest -m gpu``); they are skipped if there is none."""

import copy

import pytest
import torch
from mmengine.model import convert_sync_batchnorm
from shipped_configs import read_config
from tiny_apvit import tiny_backbone
from torch import nn
from toy_training import toy_config

from mmfer.benchmark.training import TrainStep
from mmfer.engine.launch import build_runner, set_amp
from mmfer.models import KTAdapter

pytestmark = pytest.mark.gpu

DEVICE = 'cuda'


@pytest.fixture(autouse=True)
def whole_precision():
    """Multiply in full float32; cuDNN uses TF32 by default."""
    with torch.backends.cudnn.flags(allow_tf32=False):
        yield


@torch.no_grad()
def outputs_agree(model, *inputs, tolerance=1e-4):
    expected = model(*inputs)
    found = copy.deepcopy(model).to(DEVICE)(*(value.to(DEVICE) for value in inputs))
    torch.testing.assert_close(found, expected, **either(tolerance), check_device=False)


def either(tolerance):
    return dict(rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(
    'pooling',
    [dict(), dict(app=dict(type='AttentivePatchPooling', keep_num=10), atp=dict(keep_rate=0.6))],
    ids=['whole', 'pooled'],
)
def test_apvit_computes_the_same(pooling):
    outputs_agree(tiny_backbone(**pooling), torch.randn(4, 3, 32, 32))


def test_the_adapter_computes_the_same():
    adapter = KTAdapter(embed_dims=16, num_heads=4).eval()
    feature = torch.randn(4, 16, 3, 3)
    outputs_agree(adapter, feature)
    adapter.switch_to_deploy()
    outputs_agree(adapter, feature)


@pytest.mark.parametrize('dtype', ['fp16', 'bf16'])
@pytest.mark.parametrize(
    'name',
    [
        'apvit_resnet18-vit-tiny_1xb16-12e_synthface-64px',
        'kt-adapter_mobileone-micro-to-mobileone-micro_1xb32-10e_synthface-age-64px',
    ],
)
def test_a_step_in_half_precision_trains(name, dtype):
    cfg = read_config(name)
    set_amp(cfg, dtype)
    step = TrainStep(cfg, 4, DEVICE)
    before = [weight.detach().clone() for weight in step.model.parameters()]
    # The initial loss scale is too high for some models; their first steps are skipped.
    losses = torch.stack([step()['loss'] for _ in range(10)])
    assert losses.isfinite().all()
    changed = [
        not torch.equal(old, new)
        for old, new in zip(before, step.model.parameters(), strict=True)
        if new.requires_grad
    ]
    assert sum(changed) > 0.5 * len(changed)


def test_a_run_is_resumed_as_if_it_had_gone_on(tmp_path, repo_root):
    runtime = repo_root / 'configs/_base_/default_runtime.py'
    # cuBLAS is deterministic only if an environment variable was set before it started.
    free = dict(randomness__deterministic=False)
    whole = build_runner(toy_config(tmp_path / 'whole', runtime, **free))
    whole.train()
    checkpoint = str(tmp_path / 'whole' / 'epoch_3.pth')
    resumed = build_runner(
        toy_config(tmp_path / 'resumed', runtime, load_from=checkpoint, resume=True, **free)
    )
    resumed.train()
    torch.testing.assert_close(resumed.model.state_dict(), whole.model.state_dict())
    states = resumed.optim_wrapper.optimizer.state.values()
    assert {state['momentum_buffer'].device.type for state in states} == {DEVICE}


def test_synchronized_normalization_of_one_process():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).to(DEVICE)
    images = torch.randn(2, 3, 8, 8, device=DEVICE)
    expected = copy.deepcopy(model)(images)
    synchronized = convert_sync_batchnorm(model, 'torch')
    assert isinstance(synchronized[1], nn.SyncBatchNorm)
    torch.testing.assert_close(synchronized(images), expected)
