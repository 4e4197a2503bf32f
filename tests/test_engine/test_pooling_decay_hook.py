# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from types import SimpleNamespace

import pytest
from mmengine.config import Config
from mmengine.hooks import Hook
from torch import nn

from mmfer.engine.launch import build_runner
from mmfer.models import APViT
from mmfer.registry import HOOKS

ARCH = dict(embed_dims=8, num_layers=4, num_heads=2, feedforward_channels=8)


@HOOKS.register_module()
class PoolingWatchHook(Hook):
    """Records k and the last block's r in each iteration."""

    priority = 'LOWEST'

    def __init__(self):
        self.seen = []

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        backbone = runner.model.backbone
        self.seen.append((backbone.app.keep_num, round(backbone.layers[-1].keep_rate, 6)))


def runner_of(backbone, epoch=0, max_epochs=5):
    model = nn.Module()
    model.backbone = backbone
    return SimpleNamespace(model=model, epoch=epoch, max_epochs=max_epochs, train_loop=None)


def test_k_and_r_go_linearly_to_their_values_and_depend_on_the_epoch_alone():
    backbone = APViT(
        arch=ARCH, img_size=160, app=dict(keep_num=60), atp=dict(keep_rate=0.6)
    )  # 10x10 patches
    hook = HOOKS.build(dict(type='PoolingDecayHook'))
    runner = runner_of(backbone)
    hook.before_train(runner)
    seen = []
    for epoch in (0, 1, 2, 3, 4, 2):  # the last one as after a resume
        runner.epoch = epoch
        hook.before_train_epoch(runner)
        rates = {round(layer.keep_rate, 6) for layer in backbone.layers[2:]}
        assert len(rates) == 1
        seen.append((backbone.app.keep_num, rates.pop()))
    assert seen == [(100, 1.0), (90, 0.9), (80, 0.8), (70, 0.7), (60, 0.6), (80, 0.8)]
    hook.after_train(runner)
    assert backbone.app.keep_num == 60 and backbone.layers[3].keep_rate == 0.6


def test_the_rate_of_every_block_goes_to_its_own_value():
    backbone = APViT(arch=ARCH, img_size=160, atp=dict(keep_rate=[0.9, 0.5]))
    hook = HOOKS.build(dict(type='PoolingDecayHook'))
    runner = runner_of(backbone, max_epochs=3)
    hook.before_train(runner)
    seen = []
    for runner.epoch in range(3):
        hook.before_train_epoch(runner)
        seen.append([round(layer.keep_rate, 6) for layer in backbone.layers[2:]])
    assert seen == [[1.0, 1.0], [0.95, 0.75], [0.9, 0.5]]


def test_in_training_by_iterations_k_and_r_depend_on_the_iteration(tmp_path, repo_root):
    # All iterations are one epoch.
    cfg = Config.fromfile(repo_root / 'configs/_base_/iter_runtime.py')
    cfg.merge_from_dict(
        dict(
            work_dir=str(tmp_path),
            experiment_name='pooling_decay_by_iterations',
            log_level='WARNING',
            model=dict(
                type='ImageClassifier',
                data_preprocessor=dict(num_classes=7),
                backbone=dict(
                    type='APViT',
                    arch=ARCH,
                    img_size=160,
                    app=dict(keep_num=60),
                    atp=dict(keep_rate=0.6),
                ),
                head=dict(type='LinearClsHead', num_classes=7, in_channels=8),
            ),
            train_dataloader=dict(
                batch_size=1,
                num_workers=0,
                dataset=dict(
                    type='SynthFace',
                    num_samples=2,
                    image_size=160,
                    cache=True,
                    pipeline=[dict(type='PackInputs')],
                ),
                sampler=dict(type='InfiniteSampler'),
                collate_fn=dict(type='default_collate'),
            ),
            train_cfg=dict(by_epoch=False, max_iters=5),
            optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.01)),
            custom_hooks=[dict(type='PoolingWatchHook'), dict(type='PoolingDecayHook')],
        )
    )
    runner = build_runner(cfg)
    runner.train()
    seen = next(hook.seen for hook in runner.hooks if isinstance(hook, PoolingWatchHook))
    assert seen == [(100, 1.0), (90, 0.9), (80, 0.8), (70, 0.7), (60, 0.6)]


@pytest.mark.parametrize('rate', [0.1, 0.2, 0.3, 0.7, 0.9])
def test_the_last_epoch_has_the_very_values_of_the_config(rate):
    # With 20 patches, r = 0.2 with a smaller last bit would keep 3 patches instead of 4.
    backbone = APViT(arch=ARCH, img_size=160, atp=dict(keep_rate=rate))
    hook = HOOKS.build(dict(type='PoolingDecayHook'))
    runner = runner_of(backbone, epoch=4)
    hook.before_train(runner)
    hook.before_train_epoch(runner)
    assert backbone.layers[-1].keep_rate == rate


def test_nothing_to_decay_is_an_error():
    hook = HOOKS.build(dict(type='PoolingDecayHook'))
    for app in (None, dict(mode='soft')):
        with pytest.raises(ValueError, match='app .*atp'):
            hook.before_train(runner_of(APViT(arch=ARCH, app=app)))
