# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from mmengine.config import Config
from shipped_configs import read_config
from task_models import SIZE, task_model
from torch import nn

from mmfer.benchmark.training import TrainStep, peak_memory, training_memory

MIB = 2**20
FLOATS = MIB // 4
SMALL = 'apvit_resnet18-vit-tiny_1xb16-12e_synthface-64px'


def test_peak_is_what_lives_at_once():
    def run():
        first = torch.zeros(FLOATS)
        second = first + 1  # 2 MiB
        del first
        third = second * 2  # 2 MiB again
        del second
        return third.sum()

    assert peak_memory(run) == pytest.approx(2 * MIB, rel=1e-3)


def test_what_was_there_before_does_not_count():
    held = [torch.zeros(8 * FLOATS)]
    assert peak_memory(lambda: held.append(torch.zeros(FLOATS))) == pytest.approx(MIB, rel=1e-3)
    assert peak_memory(held.clear) == 0


def test_saved_activations_count_until_they_are_used():
    """Five sigmoids keep their outputs for the backward pass."""
    net = nn.Sequential(*[nn.Sigmoid() for _ in range(5)])
    x = torch.zeros(FLOATS, requires_grad=True)
    with torch.no_grad():
        assert peak_memory(lambda: net(x)) == pytest.approx(2 * MIB, rel=1e-2)
    assert peak_memory(lambda: net(x).sum()) == pytest.approx(5 * MIB, rel=1e-2)


def test_checkpointing_takes_less_memory_in_training():
    cfg = read_config(SMALL)
    usual = training_memory(cfg, 4)
    cfg.model.backbone.with_cp = True
    blocks = training_memory(cfg, 4)
    cfg.model.backbone.cnn.with_cp = True
    assert training_memory(cfg, 4) < blocks < usual


def test_action_units_valence_and_arousal_are_labeled():
    cfg = read_config('apvit_resnet18-vit-tiny_1xb16-12e_synthface-au-64px')
    cfg.model.head.update(num_units=3, valence_arousal=dict(type='ValenceArousalHead'))
    losses = TrainStep(cfg, 2)()
    assert {'loss_expression', 'loss_action_units', 'loss_valence_arousal'} <= losses.keys()


def test_landmarks_are_as_many_as_the_head_predicts():
    model = task_model('landmarks')
    model['head']['num_points'] = 5
    optimizer = dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.1))
    step = TrainStep(Config(dict(model=model, optim_wrapper=optimizer)), 2, size=(SIZE, SIZE))
    assert step()['loss'].isfinite()
