# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import errno
import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from mmengine.fileio import get_file_backend

from mmfer.utils.atomic_file import (
    AtomicLocalBackend,
    atomic_write,
    atomic_write_json,
    remove_parts,
)


def test_writes_and_replaces(tmp_path):
    path = tmp_path / 'new' / 'epoch_1.pth'
    atomic_write(path, b'old')
    atomic_write(path, b'new')
    assert path.read_bytes() == b'new'
    assert os.listdir(path.parent) == ['epoch_1.pth']


@pytest.mark.parametrize('step', ['fsync', 'replace'])
def test_full_disk_leaves_the_old_file(tmp_path, monkeypatch, step):
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


def test_an_interrupt_leaves_the_old_file_alone(tmp_path, monkeypatch):
    path = tmp_path / 'epoch_1.pth'
    atomic_write(path, b'old')

    def interrupt(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, 'fsync', interrupt)
    with pytest.raises(KeyboardInterrupt):
        atomic_write(path, b'new')
    assert path.read_bytes() == b'old'
    assert os.listdir(tmp_path) == ['epoch_1.pth']


def test_a_name_as_long_as_names_may_be(tmp_path):
    """File systems count bytes; most allow 255."""
    name = 251 * 'a' + '.jpg'
    atomic_write(tmp_path / name, b'long')
    assert os.listdir(tmp_path) == [name]


def test_threads_that_write_one_path(tmp_path):
    contents = [bytes([number]) * 1000 for number in range(40)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda content: atomic_write(tmp_path / 'a', content), contents))
    assert (tmp_path / 'a').read_bytes() in contents
    assert os.listdir(tmp_path) == ['a']


def test_a_folder_that_may_be_written_but_not_read(tmp_path, monkeypatch):
    def refuse(*args):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(os, 'open', refuse)
    atomic_write(tmp_path / 'a', b'new')
    assert (tmp_path / 'a').read_bytes() == b'new'


@pytest.mark.skipif(os.name != 'posix', reason='needs SIGKILL')
def test_killed_process_leaves_the_old_file_and_a_part_that_can_be_cleared(tmp_path):
    path = tmp_path / 'epoch_1.pth'
    atomic_write(path, b'old')
    # Dies between writing the new content and giving it its name.
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
