# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import errno
import os
import signal
import subprocess
import sys

import pytest
from mmengine.fileio import get_file_backend

from mmfer.utils.atomic_file import AtomicLocalBackend, atomic_write, remove_parts


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
    with pytest.raises(OSError, match='(?s)No space left.*untouched.*--resume') as caught:
        atomic_write(path, b'new')
    assert caught.value.errno == errno.ENOSPC and caught.value.filename == str(path)
    assert path.read_bytes() == b'old'
    assert os.listdir(tmp_path) == ['epoch_1.pth']


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
