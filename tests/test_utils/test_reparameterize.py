# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from torch import nn

from mmfer.registry import MODELS
from mmfer.utils.reparameterize import merge_branches

NETS = {
    'MobileOne': dict(type='MobileOne', arch='s0', out_indices=(3,)),
    'RepVGG': dict(type='RepVGG', arch='A0', out_indices=(3,)),
}


@pytest.mark.parametrize('config', NETS.values(), ids=NETS.keys())
@torch.no_grad()
def test_merged_models_have_the_same_outputs(config):
    model = nn.ModuleDict(dict(backbone=MODELS.build(config)))
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):  # as if trained
            module.running_mean.normal_(std=0.1)
            module.running_var.uniform_(0.5, 1.5)
            module.weight.uniform_(0.5, 1.5)
    model.eval()
    inputs = torch.randn(1, 3, 32, 32)
    before, count = model['backbone'](inputs)[0], sum(p.numel() for p in model.parameters())
    # The whole backbone at once, not block by block.
    assert merge_branches(model) == ['backbone']
    after = model['backbone'](inputs)[0]
    assert (after - before).abs().max() < 1e-4 * before.abs().max()
    assert sum(p.numel() for p in model.parameters()) < count
    assert (
        model['backbone'].state_dict().keys()
        == MODELS.build({**config, 'deploy': True}).state_dict().keys()
    )
    assert merge_branches(model) == []


def test_nothing_to_merge():
    assert merge_branches(nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))) == []
