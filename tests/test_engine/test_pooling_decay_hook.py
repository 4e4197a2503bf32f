# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from types import SimpleNamespace

import pytest
from torch import nn

from mmfer.models import APViT
from mmfer.registry import HOOKS

ARCH = dict(embed_dims=8, num_layers=4, num_heads=2, feedforward_channels=8)


def runner_of(backbone, epoch=0, max_epochs=5):
    model = nn.Module()
    model.backbone = backbone
    return SimpleNamespace(model=model, epoch=epoch, max_epochs=max_epochs)


def test_k_and_r_go_linearly_to_their_values_and_depend_on_the_epoch_alone():
    backbone = APViT(
        arch=ARCH, img_size=160, app=dict(keep_num=60), atp=dict(keep_rate=0.6)
    )  # 10x10 patches
    hook = HOOKS.build(dict(type='PoolingDecayHook'))
    runner = runner_of(backbone)
    hook.before_train(runner)
    seen = []
    for epoch in (0, 1, 2, 3, 4, 2):  # the last one: as after a resume
        runner.epoch = epoch
        hook.before_train_epoch(runner)
        rates = {round(layer.keep_rate, 6) for layer in backbone.layers[2:]}
        assert len(rates) == 1
        seen.append((backbone.app.keep_num, rates.pop()))
    assert seen == [(100, 1.0), (90, 0.9), (80, 0.8), (70, 0.7), (60, 0.6), (80, 0.8)]
    hook.after_train(runner)
    assert backbone.app.keep_num == 60 and backbone.layers[3].keep_rate == 0.6


def test_nothing_to_decay_is_an_error():
    with pytest.raises(ValueError, match='neither app nor atp'):
        HOOKS.build(dict(type='PoolingDecayHook')).before_train(runner_of(APViT(arch=ARCH)))
