# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""train.py, test.py and the scripts around them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from forked_processes import train_pair
from tool_calls import run_tool
from toy_training import ToyModel, toy_config

from mmfer.engine.launch import build_runner, load_config
from mmfer.utils.file_lock import file_lock

CONFIG_BASE = Path('configs') / '_base_' / 'default_runtime.py'


@pytest.fixture
def environment(repo_root):
    """Environment in which a new process finds the package and the toy components."""
    paths = [str(repo_root), str(repo_root / 'tests'), os.environ.get('PYTHONPATH', '')]
    bin_folder = str(Path(sys.executable).parent)
    return {
        **{k: v for k, v in os.environ.items() if k not in ('PORT', 'MASTER_PORT')},
        'PYTHONPATH': os.pathsep.join(filter(None, paths)),
        'PATH': bin_folder + os.pathsep + os.environ['PATH'],
        'OMP_NUM_THREADS': '1',
        'CUDA_VISIBLE_DEVICES': '',
    }


@pytest.fixture
def run(tmp_path, environment):
    """Run a command in ``tmp_path``; return its result."""

    def _run(*command, **kwargs):
        return subprocess.run(
            [str(word) for word in command],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
            **kwargs,
        )

    return _run


@pytest.fixture
def toy(tmp_path, repo_root):
    """Write a toy config file to ``tmp_path`` and return its path."""

    def _toy(**changes):
        cfg = toy_config(tmp_path / 'work', repo_root / CONFIG_BASE, **changes)
        cfg.custom_imports = dict(imports=['toy_training'])
        for name in ('work_dir', 'experiment_name'):
            cfg.pop(name)
        path = tmp_path / 'toy_1xb4_faces.py'
        cfg.dump(path)
        return path

    return _toy


def latest_weights(folder, epoch):
    return torch.load(folder / f'epoch_{epoch}.pth', weights_only=True)['state_dict']


def test_help_does_not_offer_gpus():
    done = run_tool('train.py', '-h')
    # mim appends --gpus or --device if it finds --gpus in this text.
    assert done.returncode == 0 and '--gpus' not in done.stdout
    assert '--launcher' in done.stdout


def test_a_second_training_in_a_work_folder_is_an_error_and_writes_nothing(toy, tmp_path):
    config, work = toy(train_cfg__max_epochs=1), tmp_path / 'work'
    words = ('--work-dir', work, '--resume')
    assert run_tool('train.py', config, *words, cwd=tmp_path).returncode == 0
    before = {path: path.stat().st_mtime_ns for path in work.rglob('*')}
    with file_lock(work / '.training.lock'):
        done = run_tool('train.py', config, *words, cwd=tmp_path)
        assert done.returncode == 1 and f'{work} is in use by process {os.getpid()}' in done.stderr
        after = {path: path.stat().st_mtime_ns for path in work.rglob('*')}
        assert after.keys() - before.keys() == {work / '.training.lock'}
        assert all(after[path] == time for path, time in before.items() if path.is_file())
        tested = run_tool('test.py', config, work / 'epoch_1.pth', *words[:2], cwd=tmp_path)
        assert tested.returncode == 0, tested.stderr
    assert run_tool('train.py', config, *words, cwd=tmp_path).returncode == 0


def test_train_resume_and_test(toy, tmp_path):
    config = toy(train_cfg__max_epochs=2)
    words = ('--cfg-options', 'train_cfg.max_epochs=1')
    first = run_tool('train.py', config, *words, cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    work_dir = tmp_path / 'work_dirs' / 'toy_1xb4_faces'
    (work_dir / 'epoch_2.pth').write_bytes((work_dir / 'epoch_1.pth').read_bytes()[:2000])

    words = ('--resume', '--amp', 'bf16', '--deterministic')
    second = run_tool('train.py', config, *words, cwd=tmp_path)
    assert second.returncode == 0, second.stderr
    said = second.stdout + second.stderr
    assert f'Not resuming from {Path("work_dirs/toy_1xb4_faces/epoch_2.pth")}' in said
    assert 'epoch_1.pth' in said
    meta = torch.load(work_dir / 'epoch_2.pth', weights_only=True)['meta']
    assert (meta['epoch'], meta['iter']) == (2, 6)

    words = ('--out', 'results/metrics.json', '--cfg-options', 'test_dataloader.batch_size=3')
    third = run_tool('test.py', config, work_dir / 'epoch_2.pth', *words, cwd=tmp_path)
    assert third.returncode == 0, third.stderr
    assert 0 <= json.loads((tmp_path / 'results' / 'metrics.json').read_text())['accuracy'] <= 100


def test_a_partially_loaded_model_is_not_tested(toy, tmp_path):
    """A head of another width would keep its random weights, and its results would look real."""
    weights = ToyModel(width=8, num_classes=5).state_dict()
    torch.save({'state_dict': weights}, tmp_path / 'five.pth')
    words = (toy(), 'five.pth')
    result = run_tool('test.py', *words, cwd=tmp_path)
    assert result.returncode != 0
    assert 'head.weight (model (7, 8), checkpoint (5, 8))' in result.stderr
    # The option in the message allows it, e.g. for a model that resizes weights while loading.
    option = 'default_hooks.weights_match.min_matched'
    assert option in result.stderr
    done = run_tool('test.py', *words, '--cfg-options', f'{option}=0.5', cwd=tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    'tool, words, message',
    [
        ('train.py', ['--cfg-options', 'model.widht=3'], 'model.width'),
        ('test.py', ['none.pth'], 'none.pth'),
        ('test.py', ['none.pth', '--out', 'a.json', '--out-item', 'pred'], '.pkl'),
        ('test.py', ['none.pth', '--show-dir', 'a', '--tta'], '--tta has several: use only one'),
    ],
    ids=lambda value: value[-1] if isinstance(value, list) else None,
)
def test_wrong_arguments_have_clear_errors(toy, tool, words, message):
    result = run_tool(tool, toy(), *words)
    assert result.returncode != 0
    assert message in result.stderr


def test_two_processes_apply_the_gradients_of_one(toy, tmp_path):
    """Two processes with 3 images each equal one with all 6 (no BatchNorm, no dropout)."""
    config = toy(
        model__norm=False,
        model__dropout=0.0,
        train_dataloader__dataset=dict(type='ToyFaces', size=6, noise=0.0),
        train_cfg__max_epochs=1,
    )
    words = ('--work-dir', 'two', '--no-validate')
    words += ('--cfg-options', 'train_dataloader.batch_size=3')
    train_pair(config, *words, cwd=tmp_path)

    cfg = load_config(config, {'train_dataloader.batch_size': 6}, str(tmp_path / 'one'))
    runner = build_runner(cfg)
    runner.train()
    start = ToyModel(norm=False, dropout=0.0).state_dict()
    for name, value in latest_weights(tmp_path / 'two', 1).items():
        torch.testing.assert_close(value, runner.model.state_dict()[name], rtol=0, atol=1e-7)
        assert not torch.equal(value, start[name])


def test_dist_train_resumes_exactly_in_two_processes(run, repo_root, toy, tmp_path):
    """The only test that runs ``torchrun``."""
    config = toy(train_cfg__max_epochs=2, train_dataloader__batch_size=3)
    train_pair(config, '--work-dir', 'whole', cwd=tmp_path)
    checkpoint = torch.load(tmp_path / 'whole' / 'epoch_1.pth', weights_only=True)
    states = checkpoint['random_state']
    assert len(states) == 2

    (tmp_path / 'cut').mkdir()
    (tmp_path / 'whole' / 'epoch_1.pth').rename(tmp_path / 'cut' / 'epoch_1.pth')
    dist_train = repo_root / 'tools' / 'dist_train.sh'
    resumed = run(dist_train, config, 2, '--work-dir', 'cut', '--resume')
    assert resumed.returncode == 0, resumed.stderr
    expected = latest_weights(tmp_path / 'whole', 2)
    for name, value in latest_weights(tmp_path / 'cut', 2).items():
        assert torch.equal(value, expected[name]), name


@pytest.mark.parametrize(
    'script', ['dist_train.sh', 'dist_test.sh', 'slurm_train.sh', 'slurm_test.sh']
)
def test_scripts_print_their_usage(run, repo_root, script):
    result = run(repo_root / 'tools' / script)
    assert result.returncode == 2 and 'usage:' in result.stderr


@pytest.mark.parametrize(
    ('name', 'fourth'), [('train', ['--work-dir', 'out']), ('test', ['out'])], ids=['train', 'test']
)
def test_slurm_scripts_pass_everything_on(run, repo_root, tmp_path, environment, name, fourth):
    srun = tmp_path / 'bin' / 'srun'
    srun.parent.mkdir()
    srun.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    srun.chmod(0o755)
    environment['PATH'] = f'{srun.parent}{os.pathsep}{environment["PATH"]}'
    environment['GPUS'] = '4'
    words = ['gpu', 'my job', 'c.py', 'out', '--cfg-options', 'a.b=[1, 2]']
    result = run(repo_root / 'tools' / f'slurm_{name}.sh', *words)
    passed = result.stdout.splitlines()
    assert '--job-name=my job' in passed and '--ntasks=4' in passed and '--gres=gpu:4' in passed
    tool = str(repo_root / 'tools' / f'{name}.py')
    tail = [tool, 'c.py', *fourth, '--cfg-options', 'a.b=[1, 2]', '--launcher', 'slurm']
    assert passed[-len(tail) :] == tail


def test_print_config(toy, tmp_path):
    words = ('--cfg-options', 'model.width=5', '--save-path', tmp_path / 'full.json')
    result = run_tool('misc/print_config.py', toy(), *words)
    assert result.returncode == 0, result.stderr
    assert 'width=5' in result.stdout
    assert json.loads((tmp_path / 'full.json').read_text())['model']['width'] == 5


@pytest.mark.parametrize('name', ['full.json', 'full.txt', 'full.py'])
def test_print_config_leaves_no_incomplete_file(tmp_path, name):
    config = tmp_path / 'with_a_function.py'
    config.write_text('custom_hooks = [dict(type=len)]\n')
    saved = tmp_path / name
    saved.write_text('as before')
    words = (config, '--save-path', saved)
    if name == 'full.py':
        words = (config.with_name('missing.py'), '--save-path', saved)
    result = run_tool('misc/print_config.py', *words)
    assert result.returncode != 0 and not result.stdout
    assert saved.read_text() == 'as before' and len(list(tmp_path.iterdir())) == 2
