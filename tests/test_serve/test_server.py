# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import logging
from types import SimpleNamespace

import pytest

pytest.importorskip('uvicorn')

from mmfer.serve.server import address, host_names, is_loopback, listen, make_server


@pytest.mark.parametrize('host', ['127.0.0.1', '127.1.2.3', '::1', 'localhost'])
def test_this_machine_only(host):
    names = host_names(host)
    assert is_loopback(host) and '*' not in names and names[:2] == ('127.0.0.1', 'localhost')
    assert host in names


@pytest.mark.parametrize('host', ['0.0.0.0', '::', '', '192.168.1.2', 'machine.example'])
def test_others_too(host):
    assert not is_loopback(host) and host_names(host) == ('*',)


@pytest.mark.parametrize(
    ('name', 'expected'),
    [
        (('127.0.0.1', 7860), 'http://127.0.0.1:7860/'),
        (('::1', 7860, 0, 0), 'http://[::1]:7860/'),
    ],
)
def test_url(name, expected):
    assert address(SimpleNamespace(getsockname=lambda: name)) == expected


def test_a_free_port():
    with listen('127.0.0.1', 0) as listener:
        port = listener.getsockname()[1]
        assert port > 0
        with pytest.raises(OSError, match='in use'):
            listen('127.0.0.1', port)


def test_log_files_of_others_stay_open(tmp_path):
    handler = logging.FileHandler(tmp_path / 'train.log')
    make_server(lambda *_: None)
    try:
        assert handler.stream is not None
    finally:
        handler.close()
