# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""The log line on the images of a step and their learning rate."""

import re

import pytest
import torch
from forked_processes import train_pair
from mmengine.model import convert_sync_batchnorm
from mmengine.optim import OptimWrapper, OptimWrapperDict
from shipped_configs import CONFIGS, read_config
from toy_training import toy_config

from mmfer.engine.launch import build_runner
from mmfer.engine.step_batch import StepBatch
from mmfer.models import IRNet

#: Values of StepBatch, rates, whether it is a warning, and the log line.
LINES = [
    (
        (1, 128, 1, 128),
        [1e-3],
        False,
        '1 process x 128 images = 128 a step, learning rate 0.001, which is for 128',
    ),
    ((2, 64, 1, 128), [1e-3], False, '2 processes x 64 images = 128 a step, learning rate 0.001'),
    ((1, 64, 2, 128), [1e-3], False, '64 images x 2 accumulated batches = 128 a step'),
    (
        (2, 128, 1, 128),
        [1e-3],
        True,
        'would scale it to 0.002; train_dataloader.batch_size=64 would give 128',
    ),
    ((1, 1, 1, 128), [1e-3], True, '1 process x 1 image = 1 a step'),
    ((3, 64, 1, 128), [1e-3], True, 'would scale it to 0.0015'),
    (
        (2, 64, 4, 128),
        [1e-4, 1e-3],
        True,
        'learning rate 0.0001 to 0.001, .* would scale it to 0.0004 to 0.004',
    ),
    ((2, 128, 1, 128, True), [2e-3], False, 'learning rate 0.002 = 0.001 x 256 / 128, scaled'),
    ((2, 64, 2, 128, True), [2e-3], False, '= 256 a step, learning rate 0.002 = 0.001 x 256 / 128'),
    (
        (2, 64, 1, None),
        [1e-3],
        False,
        '= 128 a step, learning rate 0.001; .*base_batch_size is not set',
    ),
]


@pytest.mark.parametrize(('values', 'rates', 'doubtful', 'text'), LINES)
def test_the_line(values, rates, doubtful, text):
    batch = StepBatch(*values)
    assert batch.is_doubtful == doubtful
    assert re.search(text, batch.describe(rates))


def test_an_impossible_batch_size_is_not_recommended():
    assert 'train_dataloader.batch_size' not in StepBatch(3, 64, 1, 128).describe([1e-3])


@pytest.fixture
def lines_of(tmp_path, repo_root):
    """Train; return the log lines on the batch and the learning rate of the first step."""

    def _lines_of(start='', **changes):
        changes |= dict(log_level='INFO', default_hooks__checkpoint__max_keep_ckpts=4)
        work_dir = tmp_path / f'run_{len(list(tmp_path.iterdir()))}'
        cfg = toy_config(work_dir, repo_root / 'configs/_base_/default_runtime.py', **changes)
        cfg.update(resume=bool(start), load_from=start or None)
        runner = build_runner(cfg)
        rates = []
        step = runner.model.train_step

        def noting_step(data, optim_wrapper):
            rates.append(optim_wrapper.param_groups[0]['lr'])
            return step(data, optim_wrapper)

        runner.model.train_step = noting_step
        runner.train()
        runner.test()
        (log,) = work_dir.glob('*/*.log')
        return re.findall(r'- (INFO|WARNING) - (Batch.*)', log.read_text()), rates[0]

    return _lines_of


SCALE = dict(auto_scale_lr=dict(base_batch_size=4, enable=True))


@pytest.mark.parametrize(
    ('changes', 'level', 'text', 'rate'),
    [
        ({}, 'INFO', '1 process x 4 images = 4 a step, learning rate 0.1; ', 0.1),
        (
            dict(auto_scale_lr__base_batch_size=8),
            'WARNING',
            '= 4 a step, .* would scale it to 0.05',
            0.1,
        ),
        (dict(auto_scale_lr__base_batch_size=4), 'INFO', 'learning rate 0.1, which is for 4', 0.1),
        (dict(SCALE, auto_scale_lr__base_batch_size=8), 'INFO', '0.05 = 0.1 x 4 / 8, scaled', 0.05),
        (
            dict(SCALE, optim_wrapper__accumulative_counts=2),
            'INFO',
            '2 accumulated batches = 8 a step, learning rate 0.2 = 0.1 x 8 / 4',
            0.2,
        ),
        (
            dict(optim_wrapper__accumulative_counts=2, auto_scale_lr__base_batch_size=8),
            'INFO',
            '= 8 a step, learning rate 0.1, which is for 8',
            0.1,
        ),
        # Not the first learning rate of a warm-up, but its last.
        (
            dict(
                param_scheduler=[dict(type='LinearLR', start_factor=0.01, by_epoch=False, end=3)],
                **SCALE,
            ),
            'INFO',
            'learning rate 0.1 = 0.1 x 4 / 4',
            0.001,
        ),
        (
            dict(
                optim_wrapper__paramwise_cfg=dict(custom_keys=dict(head=dict(lr_mult=10.0))),
                auto_scale_lr__base_batch_size=8,
            ),
            'WARNING',
            'learning rate 0.1 to 1, .* would scale it to 0.05 to 0.5',
            0.1,
        ),
    ],
)
def test_training_logs_it_once(lines_of, changes, level, text, rate):
    ((said_level, said),), first = lines_of(**changes)
    assert said_level == level and re.search(text, said), said
    assert first == pytest.approx(rate)


def test_a_resumed_run_logs_the_initial_rate_of_its_schedule(lines_of, tmp_path):
    changes = dict(SCALE, auto_scale_lr__base_batch_size=8)
    lines_of(**changes, train_cfg__max_epochs=2)
    start = str(tmp_path / 'run_0' / 'epoch_2.pth')
    ((_, said),), rate = lines_of(start, **changes)
    assert 'learning rate 0.05 = 0.1 x 4 / 8' in said
    assert rate == pytest.approx(0.025)  # half of the cosine
    # ResumeHook applies the new setting of the config.
    ((level, said),), rate = lines_of(start, auto_scale_lr__base_batch_size=8)
    assert level == 'WARNING' and 'learning rate 0.1, which is for 8' in said
    assert rate == pytest.approx(0.05)


def test_each_of_several_optimizers_has_a_line(tmp_path, repo_root):
    base = repo_root / 'configs/_base_/default_runtime.py'
    cfg = toy_config(tmp_path, base, log_level='INFO', auto_scale_lr__base_batch_size=4)
    cfg.update(param_scheduler=None)
    runner = build_runner(cfg)
    parts = dict(backbone=(0.1, 1), head=(0.2, 3))
    wrappers = {
        name: OptimWrapper(
            torch.optim.SGD(runner.model.get_submodule(name).parameters(), lr=lr),
            accumulative_counts=count,
        )
        for name, (lr, count) in parts.items()
    }
    runner.optim_wrapper = OptimWrapperDict(**wrappers)
    runner.model.train_step = lambda data, optim_wrapper: {}
    runner.train()
    (log,) = tmp_path.glob('*/*.log')
    first, second = re.findall(r'- (\w+ - Batch of .*)', log.read_text())
    assert re.match('INFO - Batch of backbone: .*= 4 a step, learning rate 0.1, which is', first)
    assert re.match(
        'WARNING - Batch of head: .*= 12 a step, learning rate 0.2, .*scale it to 0.6', second
    )


def test_two_processes_log_it_once(tmp_path, repo_root):
    cfg = toy_config(
        tmp_path,
        repo_root / 'configs/_base_/default_runtime.py',
        log_level='INFO',
        train_cfg__max_epochs=1,
        train_dataloader__batch_size=3,
        auto_scale_lr__base_batch_size=3,
    )
    cfg.custom_imports = dict(imports=['toy_training'])
    cfg.dump(tmp_path / 'toy.py')
    train_pair(tmp_path / 'toy.py', cwd=tmp_path)
    (log,) = tmp_path.glob('*/*.log')
    (line,) = re.findall(r'WARNING - (Batch.*)', log.read_text())
    assert '2 processes x 3 images = 6 a step' in line and 'would scale it to 0.2' in line


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_a_config_is_made_for_the_batch_in_its_name(path):
    processes, size = map(int, re.search(r'_(\d+)xb(\d+)-', path.stem).groups())
    cfg = read_config(path)
    assert cfg.train_dataloader.batch_size == size
    assert cfg.auto_scale_lr == dict(base_batch_size=processes * size, enable=False)


def test_the_config_for_two_gpus_differs_in_nothing_else():
    one = read_config('apvit_ir50-vit-small_1xb128-40e_rafdb-112px')
    two = read_config('apvit_ir50-vit-small_2xb64-40e_rafdb-112px')
    assert one.get('sync_bn') is None and two.pop('sync_bn') == 'torch'
    two.train_dataloader.batch_size = 128
    assert two.to_dict() == one.to_dict()


def test_synchronized_normalization_keeps_names_and_outputs():
    net = IRNet(depth=18, num_stages=3, base_channels=4, frozen_stages=1).train()
    for _ in range(3):
        net(torch.randn(4, 3, 32, 32))
    images = torch.randn(2, 3, 32, 32)
    expected, names = net.eval()(images)[-1], list(net.state_dict())
    converted = convert_sync_batchnorm(net, 'torch')
    kinds = [type(module).__name__ for module in converted.modules()]
    assert 'SyncBatchNorm' in kinds and 'BatchNorm2d' not in kinds
    assert list(converted.state_dict()) == names
    assert torch.equal(converted.eval()(images)[-1], expected)
    converted.train()
    assert not converted.stem[1].training and converted.stages[1][0].bn1.training
