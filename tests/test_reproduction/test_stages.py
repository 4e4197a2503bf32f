# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from forked_processes import Python
from mmengine.config import Config
from stand_in_tools import write_tools

from mmfer.reproduction.stages import Stage, StageError, last_checkpoint_name
from mmfer.utils.file_digest import file_digest
from mmfer.utils.file_lock import InUseError, file_lock


@pytest.fixture
def tools(tmp_path):
    return write_tools(tmp_path / 'tools')


@pytest.fixture
def make(tmp_path, tools):
    """Return a function that creates a stage; its arguments change the config."""

    def _make(inputs=(), given=None, **settings):
        cfg = Config(dict(train_cfg=dict(max_epochs=2), lr=0.1, **settings))
        return Stage('baseline, age', cfg, tmp_path / 'age', inputs, tools, given=given)

    return _make


def done(stage, lines=None):
    """Run a whole stage; return its metrics."""
    update = (lines if lines is not None else []).append
    stage.prepare()
    stage.train(update)
    return stage.test(update)


@pytest.mark.parametrize(
    ('train_cfg', 'name'),
    [
        (dict(by_epoch=True, max_epochs=20), 'epoch_20.pth'),
        (dict(max_epochs=3), 'epoch_3.pth'),
        (dict(by_epoch=False, max_iters=500), 'iter_500.pth'),
    ],
)
def test_last_checkpoint(train_cfg, name):
    assert last_checkpoint_name(Config(dict(train_cfg=train_cfg))) == name


def test_digest(tmp_path):
    (tmp_path / 'a').write_bytes(b'weights')
    assert file_digest(tmp_path / 'a') == hashlib.sha256(b'weights').hexdigest()


def test_a_stage_runs_once(make, tmp_path):
    stage, lines = make(), []
    metrics = done(stage, lines)
    assert stage.checkpoint == tmp_path / 'age' / 'epoch_2.pth' and stage.is_trained
    assert metrics == json.loads((tmp_path / 'age' / 'metrics.json').read_text())
    assert lines == [f'Epoch(train) [{epoch}][1/1] loss: 0.5' for epoch in (1, 2)]
    logs = {name: (tmp_path / 'age' / name).read_text() for name in ('train.log', 'test.log')}

    again = []
    assert done(make(), again) == metrics
    assert again == []
    for name, text in logs.items():
        assert (tmp_path / 'age' / name).read_text() == text  # neither tool was run


def test_a_killed_training_resumes(make, tools, tmp_path):
    (tools / 'die').write_text('2')
    stage = make()
    stage.prepare()
    with pytest.raises(StageError, match='baseline, age: ') as error:
        stage.train(print)
    assert 'RuntimeError: out of luck' in str(error.value)
    assert str(tmp_path / 'age' / 'train.log') in str(error.value)
    assert not stage.is_trained

    (tools / 'die').unlink()
    lines = []
    done(make(), lines)
    assert lines == ['Epoch(train) [2][1/1] loss: 0.5']  # the first epoch is not repeated


def test_a_stage_killed_after_its_training_is_not_trained_again(make, tmp_path):
    done(make())
    path = tmp_path / 'age' / 'stage.json'
    path.write_text(json.dumps({**json.loads(path.read_text()), 'trained': False}))
    assert not make().is_trained
    lines = []
    done(make(), lines)
    assert lines == [] and make().is_trained


def test_training_that_leaves_nothing_is_an_error(make, tools):
    (tools / 'train.py').write_text('')
    stage = make()
    stage.prepare()
    with pytest.raises(StageError, match='epoch_2.pth'):
        stage.train(print)


@pytest.mark.usefixtures('formatted_configs')
def test_other_settings_are_an_error_with_a_diff(make):
    done(make())
    with pytest.raises(StageError) as error:
        make(seed=3).prepare()
    assert '+seed = 3' in str(error.value).replace('  ', '')
    assert 'lr' not in str(error.value)  # only differences are shown
    make().prepare()  # the error changed nothing


def test_other_inputs_are_errors(make, tmp_path):
    start = tmp_path / 'start.pth'
    start.write_text('first')
    done(make(inputs=[start]))
    make(inputs=[start]).prepare()
    start.write_text('other')
    with pytest.raises(StageError, match=r'start\.pth'):
        make(inputs=[start]).prepare()


def test_a_folder_with_unknown_checkpoints_is_an_error(make, tmp_path):
    (tmp_path / 'age').mkdir()
    (tmp_path / 'age' / 'epoch_2.pth').write_text('precious')
    with pytest.raises(StageError, match=r'stage\.json'):
        make().prepare()
    assert [path.name for path in (tmp_path / 'age').iterdir()] == ['epoch_2.pth']


def test_a_given_checkpoint_is_only_tested(make, tools, tmp_path):
    given = tmp_path / 'given.pth'
    given.write_text('12345')
    (tools / 'train.py').unlink()
    stage = make(given=given)
    assert done(stage)['age/mae'] == 5
    assert stage.checkpoint == given and stage.is_trained

    given.write_text('123')
    with pytest.raises(StageError, match='other checkpoints'):
        make(given=given).prepare()
    with pytest.raises(StageError, match='other checkpoints'):
        make().prepare()  # a given checkpoint is not a training


def test_metrics_are_those_of_the_checkpoint(make):
    stage = make()
    done(stage)
    stage.checkpoint.write_text('123')
    assert done(make())['age/mae'] == 3


def test_a_failing_test_leaves_no_metrics_and_runs_again(make, tools, tmp_path):
    works = (tools / 'test.py').read_text()
    (tools / 'test.py').write_text('raise SystemExit("no data")')
    with pytest.raises(StageError, match='no data'):
        done(make())
    assert not (tmp_path / 'age' / 'metrics.json').exists()
    (tools / 'test.py').write_text(works)
    assert done(make())['age/mae'] > 0


def test_several_processes_go_through_the_scripts(make, tools, tmp_path):
    for verb in ('train', 'test'):
        (tools / f'dist_{verb}.sh').write_text(f'printf "%s\\n" "$@" >> {tmp_path}/{verb}ed\n')
    stage = make()
    stage.processes = 3
    stage.prepare()
    with pytest.raises(StageError, match='ended without'):
        stage.train(print)
    config, folder = str(tmp_path / 'age' / 'config.py'), str(tmp_path / 'age')
    words = (tmp_path / 'trained').read_text().split()
    assert words == [config, '3', '--work-dir', folder, '--resume']
    stage.checkpoint.write_text('')
    with pytest.raises(FileNotFoundError):  # the script above writes no metrics
        stage.test(print)
    assert (tmp_path / 'tested').read_text().split()[:3] == [config, str(stage.checkpoint), '3']


def test_another_process_is_waited_for_and_a_killed_one_holds_nothing(make, tmp_path):
    stage, messages = make(), []
    waiting, entered = threading.Event(), threading.Event()
    code = (
        'import fcntl, sys, time; file = open(sys.argv[1], "w"); fcntl.flock(file, fcntl.LOCK_EX)\n'
        'print("held", flush=True); time.sleep(60)'
    )
    (tmp_path / 'age').mkdir()
    command = [sys.executable, '-c', code, str(tmp_path / 'age' / '.lock')]

    def log(text):
        messages.append(text)
        waiting.set()

    def enter():
        with stage.held(log):
            entered.set()

    with subprocess.Popen(command, stdout=subprocess.PIPE) as other:
        try:
            assert other.stdout.readline().strip() == b'held'
            thread = threading.Thread(target=enter)
            thread.start()
            waiting.wait()
            assert not entered.is_set()
            assert messages == ['wait  baseline, age: another process is running it']
        finally:
            other.kill()
    thread.join()
    assert entered.is_set()


# A stage with a long training, which holds a lock while it is alive; argv: folder, platform.
LASTING = """
import pathlib, sys
from mmengine.config import Config
from mmfer.reproduction import stages
folder = pathlib.Path(sys.argv[1])
stages.sys.platform = sys.argv[2]
stage = stages.Stage('age', Config(dict(train_cfg=dict(max_epochs=2))), folder / 'age', [], folder)
with stage.held(print):
    stage.prepare()
    stage.train(print)
"""
TRAINING = """
import os, sys, time
sys.path[:0] = PATH
from mmfer.utils.file_lock import file_lock
folder = os.path.dirname(__file__)
with file_lock(folder + '/alive'):
    open(folder + '/pid', 'w').write(f'{os.getpid()} ')
    time.sleep(60)
    open(folder + '/ended', 'w')
"""


def stop_in_training(folder, how, platform=sys.platform):
    """Send a signal to a stage during its training; return the pid of the training."""
    (folder / 'train.py').write_text(TRAINING.replace('PATH', repr(sys.path)))
    process, note = Python('-c', LASTING, folder, platform), folder / 'pid'
    try:
        while not (note.exists() and note.read_text().endswith(' ')):
            assert process.is_running()
            time.sleep(0.01)
    finally:
        process.send_signal(how)
        assert process.wait().returncode == {signal.SIGKILL: -9, signal.SIGTERM: 143}[how]
    return int(note.read_text())


def released(path):
    """Wait until no process holds the lock."""
    with file_lock(path, wait=lambda holder: None):
        return True


@pytest.mark.skipif(sys.platform != 'linux', reason='elsewhere a kill leaves the tool running')
@pytest.mark.parametrize('how', [signal.SIGTERM, signal.SIGKILL])
def test_a_training_ends_with_the_command_that_started_it(tmp_path, how):
    stop_in_training(tmp_path, how)
    assert released(tmp_path / 'alive') and released(tmp_path / 'age' / '.lock')
    assert not (tmp_path / 'ended').exists()


@pytest.mark.skipif(os.name != 'posix', reason='has no such locks')
def test_where_a_training_outlives_the_command_it_keeps_the_lock(tmp_path):
    stop_in_training(tmp_path, signal.SIGTERM, 'darwin')
    assert released(tmp_path / 'alive')  # the signal is passed on
    assert not (tmp_path / 'ended').exists()
    (tmp_path / 'pid').unlink()
    training = stop_in_training(tmp_path, signal.SIGKILL, 'darwin')
    lock = tmp_path / 'age' / '.lock'
    with pytest.raises(InUseError), file_lock(lock):
        pass
    os.kill(training, signal.SIGKILL)
    assert released(lock)
