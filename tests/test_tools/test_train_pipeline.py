# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""train_pipeline.py: once with all that it does, then with trainings that are stood in for."""

import json
import subprocess
import sys

import pytest
from stand_in_tools import write_tools
from tool_calls import ROOT, load_tool, run_tool

from mmfer.reproduction.kt_pipeline import DATA
from mmfer.tasks import TASKS

TOOL = 'kt_adapter/train_pipeline.py'
TINY = [
    *('--cfg-options', 'train_cfg.max_epochs=1', 'train_dataloader.dataset.num_samples=64'),
    *('val_dataloader.dataset.num_samples=16', 'test_dataloader.dataset.num_samples=16'),
]
NAME = 'mobileone-micro_1xb32-20e_synthface-{}-64px'


@pytest.fixture
def call(tmp_path, monkeypatch):
    """Run it here, in ``tmp_path``, with stand-ins for the trainings; return code and output."""
    monkeypatch.setattr(load_tool(TOOL), '_TOOLS', write_tools(tmp_path / 'tools'))

    def _call(*words):
        done = run_tool(TOOL, '--canonical', 'age', *words, cwd=tmp_path)
        return done.returncode, done.stdout, done.stderr

    return _call


def stages(output):
    """What was done: (verb, task) of baselines, and of adapters with the task in capitals."""
    found = []
    for line in output.splitlines():
        words = line.partition(']')[2].split()
        if words[1:2] == ['baseline']:
            found.append((words[0], words[3].strip(',')))
        elif words[1:2] == ['adapter']:
            found.append((words[0], words[5].strip(',').upper()))
    return found


def test_the_whole_procedure_with_a_cache(tmp_path, monkeypatch):
    monkeypatch.setenv('PYTHONPATH', str(ROOT))
    monkeypatch.setenv('OMP_NUM_THREADS', '1')
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '')
    words = ['--canonical', 'age', '--num-priors', '1', '--cache', *TINY]
    run = run_tool(TOOL, *words, cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    assert stages(run.stdout) == [
        *(('train', 'age'), ('train', 'expression'), ('train', 'AGE')),
        *(('test', 'age'), ('test', 'AGE')),
    ]
    work = tmp_path / 'work_dirs' / 'kt_adapter'
    results = json.loads((work / 'results.json').read_text())['age']
    for runs in results.values():
        (metrics,) = runs
        assert 0 <= metrics['age/cs@5'] <= 100 and 0 < metrics['age/mae'] < 116
    table = (work / 'results.md').read_text()
    assert table in run.stdout and f'| {results["baseline"][0]["age/mae"]:.2f} ' in table
    (folder,) = work.glob('kt-adapter_*_cached_1priors')
    assert (folder / 'seed0' / 'prior_tokens' / 'tokens.npy').is_file()
    assert 'are taken from' in (folder / 'seed0' / 'train.log').read_text()


def test_help_imports_nothing_slow_and_its_choices_are_those_there_are():
    command = [sys.executable, '-X', 'importtime', str(ROOT / 'tools' / TOOL), '-h']
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 0 and '{' + ','.join(DATA) + '}' in run.stdout
    imported = {line.split('|')[-1].strip() for line in run.stderr.splitlines()}
    assert 'mmfer' in imported and not imported & {'torch', 'mmengine.config', 'mmpretrain'}
    assert load_tool(TOOL)._TASKS == TASKS


def test_all_is_done_once_and_a_changed_setting_is_refused(call):
    code, out, _ = call()
    assert code == 0
    others = ('expression', 'landmarks', 'recognition')
    trained = ['age', *others, 'AGE']
    tests = [('test', 'age'), ('test', 'AGE')]
    assert stages(out) == [*(('train', name) for name in trained), *tests]
    assert '| 67.29 ' in out  # "M to M" of the paper

    code, again, _ = call('--work-dir', 'work_dirs/../work_dirs/kt_adapter')
    assert code == 0 and again.split('\n\n', 1)[1] == out.split('\n\n', 1)[1]
    assert stages(again) == [*(('have', name) for name in trained), *tests]

    # A further adapter takes the baselines that are there.
    code, out, _ = call('--num-priors', '0')
    assert code == 0 and stages(out) == [('have', 'age'), ('train', 'AGE'), *tests]
    assert '67.29' not in out

    options = ['--adapter-options', 'optim_wrapper.optimizer.lr=0.5']
    code, out, err = call(*options)
    assert code == 1 and stages(out)[-1] == ('have', 'recognition')
    assert 'was made with other settings' in err and 'lr=0.5' in err


def test_a_failing_training_is_shown_and_goes_on(call, tmp_path):
    words = ['--num-priors', '1', '--cfg-options', 'train_cfg.max_epochs=3']
    (tmp_path / 'tools' / 'die').write_text('2')
    code, out, err = call(*words)
    assert code == 1 and stages(out) == [('train', 'age')] and 'stopped' in out
    assert 'RuntimeError: out of luck' in err and 'the same command goes on' in err
    folder = tmp_path / 'work_dirs' / 'kt_adapter' / NAME.format('age') / 'seed0'
    first = (folder / 'epoch_1.pth').stat().st_mtime_ns

    (tmp_path / 'tools' / 'die').unlink()
    code, out, _ = call(*words)
    assert code == 0 and stages(out)[0] == ('train', 'age')
    assert (folder / 'epoch_1.pth').stat().st_mtime_ns == first


def test_given_baselines_are_not_trained(call, tmp_path):
    for task in ('age', 'expression'):
        (tmp_path / f'{task}.pth').write_text(task)
    given = ['--baseline', 'age=age.pth', 'expression=expression.pth', '--num-priors', '1']
    code, out, _ = call(*given)
    assert code == 0
    assert stages(out)[:3] == [('have', 'age'), ('have', 'expression'), ('train', 'AGE')]
    metrics = json.loads((tmp_path / 'work_dirs/kt_adapter/results.json').read_text())['age']
    assert metrics['baseline'][0]['age/mae'] == len('age')

    (tmp_path / 'expression.pth').write_text('another one')
    given.insert(2, '--baseline')  # both of them count
    code, _, err = call(*given)
    assert code == 1 and 'other checkpoints' in err and 'expression.pth' in err


@pytest.mark.parametrize(
    ('words', 'code', 'message'),
    [
        (['--encoder', 'mobileone-s9'], 1, 'there are\n  '),
        (['--baseline', 'age=absent.pth'], 1, 'absent.pth'),
        (['--cfg-options', 'train_cfg.max_epoch=3'], 1, 'train_cfg.max_epochs'),
        (['--data', 'paper', '--encoder', 'mobileone-s0'], 1, '--data-root age=DIR'),
        (['--data-root', 'ages=data'], 2, "got 'ages=data'"),
        (['--prior-baseline', 'age=a.pth'], 2, 'use --baseline'),
    ],
)
def test_wrong_use_is_explained(call, tmp_path, words, code, message):
    result, _, err = call(*words)
    assert result == code and message in err
    assert not (tmp_path / 'work_dirs').exists()
