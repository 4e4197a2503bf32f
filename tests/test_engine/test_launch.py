# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from mmengine.config import Config
from toy_training import toy_config

from mmfer.engine.launch import (
    build_runner,
    load_config,
    set_amp,
    set_auto_scale_lr,
    set_deterministic,
    set_resume,
)

needs_no_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason='a GPU is visible')


@pytest.fixture
def config_file(tmp_path):
    path = tmp_path / 'small_1xb4.py'
    path.write_text(
        'train_dataloader = dict(batch_size=4, pin_memory=False)\nwork_dir = None\n'
        "optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.1))\n"
    )
    return path


def test_work_dir_is_the_command_line_then_the_config_then_the_name(config_file):
    assert load_config(config_file).work_dir == './work_dirs/small_1xb4'
    assert load_config(config_file, {'work_dir': 'mine'}).work_dir == 'mine'
    assert load_config(config_file, {'work_dir': 'mine'}, work_dir='yours').work_dir == 'yours'


def test_data_loaders_get_defaults_but_keep_their_own(config_file):
    loader = load_config(config_file).train_dataloader
    assert loader == dict(batch_size=4, pin_memory=False, collate_fn=dict(type='default_collate'))


def test_missing_config():
    with pytest.raises(FileNotFoundError, match='none.py'):
        load_config('none.py')


@pytest.mark.parametrize('kind', [{}, {'type': 'AmpOptimWrapper', 'loss_scale': 512.0}])
def test_bf16(config_file, kind):
    cfg = load_config(config_file)
    cfg.optim_wrapper.update(kind)
    set_amp(cfg, 'bf16')
    assert cfg.optim_wrapper.type == 'BFloat16OptimWrapper'
    assert 'loss_scale' not in cfg.optim_wrapper


@needs_no_gpu
def test_fp16_and_slurm_need_a_gpu(config_file):
    cfg = load_config(config_file, launcher='slurm')
    with pytest.raises(ValueError, match='--amp'):
        set_amp(cfg, 'fp16')
    with pytest.raises(ValueError, match='--launcher'):
        build_runner(cfg)


@needs_no_gpu
def test_synchronized_normalization_needs_a_gpu(config_file):
    cfg = load_config(config_file, {'sync_bn': 'torch'}, launcher='pytorch')
    with pytest.raises(ValueError, match='sync_bn=None'):
        build_runner(cfg)


def test_amp_does_not_replace_a_special_wrapper(config_file):
    cfg = load_config(config_file)
    cfg.optim_wrapper.type = 'MyWrapper'
    with pytest.raises(ValueError, match='optim_wrapper.type'):
        set_amp(cfg, 'bf16')


def test_auto_scale_lr_needs_the_batch_size(config_file):
    cfg = load_config(config_file)
    with pytest.raises(ValueError, match='base_batch_size'):
        set_auto_scale_lr(cfg)
    cfg.auto_scale_lr = dict(base_batch_size=128)
    set_auto_scale_lr(cfg)
    assert cfg.auto_scale_lr.enable


def test_deterministic_keeps_the_seed(monkeypatch):
    monkeypatch.delenv('CUBLAS_WORKSPACE_CONFIG', raising=False)
    cfg = Config(dict(randomness=dict(seed=7)))
    set_deterministic(cfg)
    assert cfg.randomness == dict(seed=7, deterministic=True)


@pytest.mark.parametrize(
    'before, resume, after',
    [
        (dict(load_from='w.pth'), None, dict(load_from='w.pth')),
        (dict(load_from='w.pth'), 'c.pth', dict(load_from='c.pth', resume=True)),
        # The folder is empty: start from the weights of the config.
        (dict(load_from='w.pth'), 'auto', dict(load_from='w.pth', resume=False)),
        (dict(resume=True), None, dict(resume=False)),
        (dict(resume=True, load_from='c.pth'), None, dict(resume=True, load_from='c.pth')),
    ],
)
def test_resume_choices(tmp_path, monkeypatch, before, resume, after):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'c.pth').touch()
    cfg = Config(dict(work_dir='work', **before))
    set_resume(cfg, resume)
    cfg.pop('work_dir')
    assert cfg.to_dict() == after


def test_resume_from_nowhere():
    with pytest.raises(FileNotFoundError, match='none.pth'):
        set_resume(Config(dict(work_dir='work')), 'none.pth')


@pytest.mark.parametrize('workers', ['num_workers=0, ', ''])
def test_without_workers_their_options_are_left_out(tmp_path, workers):
    path = tmp_path / 'loaders.py'
    loader = f'dict(batch_size=2, {workers}persistent_workers=True, prefetch_factor=4)'
    other = 'dict(batch_size=2, num_workers=2, persistent_workers=True)'
    path.write_text(f'val_dataloader = {loader}\ntest_dataloader = {other}\n')
    cfg = load_config(path)
    assert 'persistent_workers' not in cfg.val_dataloader
    assert 'prefetch_factor' not in cfg.val_dataloader
    assert cfg.test_dataloader.persistent_workers
    option = {'test_dataloader.num_workers': 0}
    assert 'persistent_workers' not in load_config(path, option).test_dataloader


@pytest.mark.parametrize('name', ['confusion_matrix', 'class_names', 'checkpoint', 'resume'])
def test_a_hook_set_to_none_is_removed(tmp_path, repo_root, name):
    runtime = repo_root / 'configs/_base_/default_runtime.py'
    cfg = toy_config(tmp_path, runtime)
    assert any(hook_name(cfg, name) == type(hook).__name__ for hook in build_runner(cfg).hooks)
    without = toy_config(tmp_path, runtime, **{f'default_hooks__{name}': None})
    assert all(hook_name(cfg, name) != type(hook).__name__ for hook in build_runner(without).hooks)


def hook_name(cfg, name):
    return cfg.default_hooks[name].type


def test_one_of_the_settings_that_go_together(tmp_path, repo_root):
    cfg = toy_config(tmp_path, repo_root / 'configs/_base_/default_runtime.py', val_evaluator=None)
    with pytest.raises(ValueError, match='has no val_evaluator; .*no-validate'):
        build_runner(cfg)
