# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from shipped_configs import read_config
from torch import nn

from mmfer.benchmark.training import peak_memory, training_memory

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
