# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request

import cv2
import numpy as np
import pytest
from mmengine.registry import DefaultScope
from task_models import SIZE, write_task

from mmfer.cli import main

pytest.importorskip('starlette')
pytest.importorskip('uvicorn')


@pytest.fixture(scope='module')
def model(tmp_path_factory):
    """Arguments for an untrained model of aligned images."""
    with DefaultScope.overwrite_default_scope('mmfer'):
        config, checkpoint = write_task(tmp_path_factory.mktemp('model'), 'expression')
    words = ['--model', config, '--weights', checkpoint, '--aligned', '--device', 'cpu']
    return [str(word) for word in words]


@pytest.fixture
def started(monkeypatch):
    """Run the command without the server."""

    def stop(self, sockets):
        raise KeyboardInterrupt

    monkeypatch.setattr('uvicorn.Server.run', stop)


def test_serves_until_it_is_interrupted(model, tmp_path, repo_root):
    """As a user does; nothing is written to disk."""
    scratch = tmp_path / 'scratch'
    scratch.mkdir()
    process = subprocess.Popen(
        [sys.executable, '-W', 'ignore', '-m', 'mmfer', 'serve', *model, '--port', '0'],
        cwd=scratch,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, 'PYTHONPATH': str(repo_root), 'TMPDIR': str(scratch)},
    )
    try:
        line = process.stdout.readline()
        address = re.fullmatch(r'(http://127\.0\.0\.1:\d+/)  \(Ctrl-C stops the server\)\n', line)[
            1
        ]
        image = cv2.imencode('.png', np.zeros((SIZE, SIZE, 3), np.uint8))[1].tobytes()
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        while True:
            try:
                answer = opener.open(f'{address}api/read', image, timeout=300).read()
                break
            except ConnectionError:
                assert process.poll() is None
        assert b'"status":"faces"' in answer
        assert list(scratch.rglob('*')) == []
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=300)
    finally:
        process.kill()
    assert process.returncode == 0 and error == ''


def test_only_this_machine_by_default(model, started, capsys):
    assert main(['serve', *model, '--port', '0']) == 0
    captured = capsys.readouterr()
    assert captured.out.startswith('http://127.0.0.1:') and captured.err == ''
    assert main(['serve', *model, '--port', '0', '--host', '0.0.0.0']) == 0
    captured = capsys.readouterr()
    assert 'warning: everybody who can reach this machine at 0.0.0.0' in captured.err


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        (['--port', '70000'], '70000'),
        (['--port', '0', '--host', '192.0.2.1'], '192.0.2.1, port 0'),
        (['--port', '0', '--host', 'no such name'], 'no such name'),
        (['--port', '0', '--max-megabytes', '0'], 'max_bytes'),
        (['--port', '0', '--max-megapixels', 'nan'], '--max-megabytes and --max-megapixels'),
        (['--port', '0', '--device', 'abacus'], "'abacus'"),
    ],
)
def test_errors(model, started, capsys, words, message):
    assert main(['serve', *model, *words]) == 2
    error = capsys.readouterr().err
    assert error.startswith('error: ') and message in error


def test_the_port_is_in_use(model, started, capsys):
    with socket.create_server(('127.0.0.1', 0)) as other:
        port = other.getsockname()[1]
        assert main(['serve', *model, '--port', str(port)]) == 2
    error = capsys.readouterr().err
    assert f'port {port}: Address already in use' in error and '--port' in error


@pytest.mark.parametrize('package', ['starlette', 'uvicorn'])
def test_missing_packages(model, monkeypatch, capsys, package):
    for name in list(sys.modules):
        if name.split('.')[0] == package or name in ('mmfer.serve.app', 'mmfer.serve.server'):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr('mmfer.serve.server', raising=False)

    class Missing:
        def find_spec(self, name, path=None, target=None):
            if name.split('.')[0] == package:
                raise ModuleNotFoundError(f'No module named {name!r}', name=package)

    monkeypatch.setattr(sys, 'meta_path', [Missing(), *sys.meta_path])
    assert main(['serve', *model, '--port', '0']) == 2
    error = capsys.readouterr().err
    assert f'serve needs {package}' in error and 'pip install starlette uvicorn' in error
