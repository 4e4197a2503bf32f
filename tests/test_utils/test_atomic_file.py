# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import errno
import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from forked_processes import run_python
from mmengine.fileio import get_file_backend

from mmfer.utils import atomic_file
from mmfer.utils.atomic_file import (
    _HOST,
    AtomicLocalBackend,
    atomic_write,
    atomic_write_json,
    remove_parts,
    replacing,
)


def test_writes_and_replaces(tmp_path):
    path = tmp_path / 'new' / 'epoch_1.pth'
    atomic_write(path, b'old')
    atomic_write(path, b'new')
    assert path.read_bytes() == b'new'
    assert os.listdir(path.parent) == ['epoch_1.pth']


@pytest.mark.parametrize('step', ['fsync', 'replace'])
def test_a_full_disk_keeps_the_old_file(tmp_path, monkeypatch, step):
    path = tmp_path / 'epoch_1.pth'
    atomic_write(path, b'old')

    def full(*args):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, step, full)
    with pytest.raises(OSError, match='--resume') as caught:
        atomic_write(path, b'new')
    assert caught.value.errno == errno.ENOSPC and caught.value.filename == str(path)
    assert path.read_bytes() == b'old'
    assert os.listdir(tmp_path) == ['epoch_1.pth']


def test_an_interrupt_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / 'epoch_1.pth'
    atomic_write(path, b'old')

    def interrupt(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, 'fsync', interrupt)
    with pytest.raises(KeyboardInterrupt):
        atomic_write(path, b'new')
    assert path.read_bytes() == b'old'
    assert os.listdir(tmp_path) == ['epoch_1.pth']


def test_the_longest_possible_name(tmp_path):
    """File systems limit the number of bytes, usually to 255."""
    name = 251 * 'a' + '.jpg'
    atomic_write(tmp_path / name, b'long')
    assert os.listdir(tmp_path) == [name]


def test_threads_that_write_the_same_path(tmp_path):
    contents = [bytes([number]) * 1000 for number in range(40)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda content: atomic_write(tmp_path / 'a', content), contents))
    assert (tmp_path / 'a').read_bytes() in contents
    assert os.listdir(tmp_path) == ['a']


def test_a_folder_that_can_be_written_but_not_read(tmp_path, monkeypatch):
    def refuse(*args):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(os, 'open', refuse)
    atomic_write(tmp_path / 'a', b'new')
    assert (tmp_path / 'a').read_bytes() == b'new'


@pytest.mark.skipif(os.name != 'posix', reason='needs SIGKILL')
def test_a_killed_process_keeps_the_old_file_and_its_part_can_be_deleted(tmp_path):
    path = tmp_path / 'epoch_1.pth'
    atomic_write(path, b'old')
    # Dies after writing the new content, before renaming the file.
    code = (
        'import os, signal, sys\n'
        'os.replace = lambda *a: os.kill(os.getpid(), signal.SIGKILL)\n'
        'from mmfer.utils.atomic_file import atomic_write\n'
        'atomic_write(sys.argv[1], b"new" * 1000)\n'
    )
    killed = subprocess.run([sys.executable, '-c', code, path])
    assert killed.returncode == -signal.SIGKILL
    assert path.read_bytes() == b'old'
    parts = [name for name in os.listdir(tmp_path) if name != 'epoch_1.pth']
    assert len(parts) == 1 and not parts[0].endswith('.pth')
    assert remove_parts(tmp_path) == parts
    assert os.listdir(tmp_path) == ['epoch_1.pth']


def test_registered_as_a_file_backend(tmp_path):
    backend = get_file_backend(tmp_path, backend_args={'backend': 'atomic'})
    assert isinstance(backend, AtomicLocalBackend)
    backend.put_text('ä', tmp_path / 'a.txt')
    assert backend.get_text(tmp_path / 'a.txt') == 'ä'


def test_json(tmp_path):
    content = dict(name='ä', values=[1, 0.5, None])
    atomic_write_json(tmp_path / 'new' / 'a.json', content)
    assert json.loads((tmp_path / 'new' / 'a.json').read_text()) == content


PART = f'.epoch_1.pth.{_HOST}01234567.part'


@pytest.mark.skipif(os.name != 'posix', reason='has no such locks')
def test_parts_of_killed_writers_are_deleted_and_those_of_running_ones_kept(tmp_path):
    (tmp_path / PART).touch()
    stranger = (
        tmp_path / f'.epoch_1.pth.{"0" * 8}01234567.part'
    )  # from another machine: it may be running
    stranger.touch()
    others = {'.page.part', 'a.part', '.a.0123.part'}
    for name in others:  # from other programs
        (tmp_path / name).touch()
    with replacing(tmp_path / 'video.mp4', '.mp4') as file:
        file.write(b'fra')
        name = os.path.basename(file.name)
        assert name.endswith('.mp4')
        assert set(os.listdir(tmp_path)) == {name, stranger.name, *others}
        code = 'import sys; from mmfer.utils.atomic_file import *\nprint(remove_parts(sys.argv[1]))'
        assert run_python('-c', code, tmp_path).stdout == '[]\n'  # another process
        file.write(b'mes')
    assert (tmp_path / 'video.mp4').read_bytes() == b'frames'
    os.utime(stranger, (0, 0))
    assert remove_parts(tmp_path) == [stranger.name]


def test_a_part_that_is_deleted_before_it_is_locked_is_created_again(tmp_path, monkeypatch):
    """Another process may take it for the part of a killed one."""
    flock, calls = atomic_file._lock, []

    def lock(descriptor):
        calls.append(descriptor)
        if len(calls) == 1:
            for path in tmp_path.iterdir():
                path.unlink()
        return flock(descriptor)

    monkeypatch.setattr(atomic_file, '_lock', lock)
    atomic_write(tmp_path / 'a', b'new')
    assert len(calls) == 2 and os.listdir(tmp_path) == ['a']
