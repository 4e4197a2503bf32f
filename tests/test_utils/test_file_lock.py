# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import multiprocessing
import os
import runpy
import signal
import socket
import sys
import threading
import time
from types import SimpleNamespace

import pytest
from forked_processes import Python

from mmfer.utils import atomic_file
from mmfer.utils import file_lock as module
from mmfer.utils.file_lock import InUseError, file_lock

# Holds the lock and has a fork that lives longer, as data loader workers do for seconds.
HOLDER = """
import os, signal, sys, time
from mmfer.utils.file_lock import file_lock
with file_lock(sys.argv[1]):
    worker = os.fork()
    if not worker:
        time.sleep(10)
        open(sys.argv[1] + '.ended', 'w')
        os._exit(0)
    open(sys.argv[1] + '.worker', 'w').write(f'{worker} ')
    time.sleep(600)
"""


def test_one_process_at_a_time(tmp_path):
    path = tmp_path / 'new' / 'lock'
    for _ in range(2):
        with file_lock(path):
            holder = f'process {os.getpid()} on {socket.gethostname()}'
            with pytest.raises(InUseError, match=f'new is in use by {holder}'), file_lock(path):
                pass
            assert path.read_text() == holder  # the error changed nothing
        assert not path.exists()


@pytest.mark.skipif(not hasattr(os, 'fork'), reason='needs fork')
def test_a_lock_ends_with_its_process_while_its_forks_run(tmp_path):
    path, note = tmp_path / 'lock', tmp_path / 'lock.worker'
    process = Python('-c', HOLDER, path)
    try:
        while not (note.exists() and note.read_text().endswith(' ')):
            assert process.is_running()
            time.sleep(0.01)
        with pytest.raises(InUseError, match=r'process \d+ on '), file_lock(path):
            pass
    finally:
        process.send_signal(signal.SIGKILL)
    with file_lock(path, wait=lambda holder: None):  # until the signal has arrived
        assert not path.with_name('lock.ended').exists()
        os.kill(int(note.read_text()), signal.SIGKILL)
    process.wait()


def test_waits_for_another_process(tmp_path):
    inside, said, order = threading.Event(), [], []

    def second():
        with file_lock(tmp_path / 'lock', wait=lambda who: (said.append(who), inside.set())):
            order.append('second')

    with file_lock(tmp_path / 'lock'):
        thread = threading.Thread(target=second)
        thread.start()
        inside.wait()
        order.append('first')
    thread.join()
    assert order == ['first', 'second'] and len(said) == 1


def test_a_fork_that_ends_releases_nothing(tmp_path):
    context = multiprocessing.get_context('fork')
    with file_lock(tmp_path / 'lock'):
        child = context.Process(target=int)
        child.start()
        child.join()
        with pytest.raises(InUseError), file_lock(tmp_path / 'lock'):
            pass


def test_a_file_deleted_by_the_previous_holder_is_not_locked(tmp_path, monkeypatch):
    """The file was opened before, and a third process may have created a new one."""
    path, opens = tmp_path / 'lock', []

    def slow(*args, **kwargs):
        descriptor = os_open(*args, **kwargs)
        opens.append(descriptor)
        if len(opens) == 1:
            path.unlink()
        return descriptor

    os_open = os.open
    monkeypatch.setattr(module.os, 'open', slow)
    with file_lock(path):
        assert len(opens) == 2 and path.exists()


@pytest.mark.skipif(module.fcntl is None, reason='has no such locks')
def test_file_systems_without_locks(tmp_path, monkeypatch):
    def flock(*args):
        raise OSError(38, os.strerror(38))

    monkeypatch.setattr(module.fcntl, 'flock', flock)
    with pytest.warns(UserWarning, match='no locks'), file_lock(tmp_path / 'lock') as descriptor:
        assert descriptor is None


def test_windows(tmp_path, monkeypatch):
    """Without fcntl, and with its own errors for held locks."""
    locked = set()

    def locking(descriptor, mode, count):
        number = os.fstat(descriptor).st_ino
        if number in locked:
            raise PermissionError(13, os.strerror(13))
        locked.add(number)

    fake = SimpleNamespace(locking=locking, LK_NBLCK=2)
    monkeypatch.setitem(sys.modules, 'msvcrt', fake)
    monkeypatch.setitem(sys.modules, 'fcntl', None)
    names = runpy.run_path(module.__file__)
    with names['file_lock'](tmp_path / 'lock') as descriptor:
        assert os.lseek(descriptor, 0, os.SEEK_CUR) < 100  # the text is at the beginning
        second = names['file_lock'](tmp_path / 'lock')
        with pytest.raises(names['InUseError'], match='process'), second:
            pass
    # This copy of the module must not replace the registered backend.
    monkeypatch.setattr('mmengine.fileio.register_backend', lambda *_, **__: None)
    atomic = runpy.run_path(atomic_file.__file__)
    atomic['atomic_write'](tmp_path / 'a', b'new')
    assert (tmp_path / 'a').read_bytes() == b'new' and atomic['remove_parts'](tmp_path) == []
