# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import errno
import hashlib
import shutil
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from https_server import Page, serving, trusted_server

from mmfer.checkpoint import CheckpointError
from mmfer.checkpoint.download import download
from mmfer.utils.file_lock import file_lock

CONTENT = bytes(range(256)) * 20_000  # several chunks
DIGEST = hashlib.sha256(CONTENT).hexdigest()
CUT = 3_000_000
MARKS = [{'ETag': '"1"'}, {'Last-Modified': 'Sat, 01 Jan 2022 00:00:00 GMT'}]


@pytest.fixture
def server(monkeypatch):
    with trusted_server(monkeypatch) as running:
        yield running


@pytest.fixture
def path(tmp_path):
    return tmp_path / 'new' / 'a.pth'


def names(path):
    return sorted(file.name for file in path.parent.iterdir())


def cut_once(server, path, **page):
    """Interrupt a download, then let the server work again."""
    server.pages['/a'] = Page(CONTENT, cut=CUT, **page)
    with pytest.raises(OSError, match=f'{CUT} bytes of {len(CONTENT)}'):
        download(server.url('/a'), path)
    server.pages['/a'] = Page(CONTENT, **page)


@pytest.mark.parametrize('sha256', [None, DIGEST, DIGEST[:8].upper()])
def test_a_complete_file(server, path, sha256):
    server.pages['/a'] = Page(CONTENT, MARKS[0])
    seen = []
    download(server.url('/a'), path, sha256, progress=lambda *sizes: seen.append(sizes))
    assert path.read_bytes() == CONTENT and names(path) == ['a.pth']
    assert len(seen) > 1 and seen[-1] == (len(CONTENT),) * 2 and seen == sorted(seen)


@pytest.mark.parametrize('headers', MARKS)
def test_an_interrupted_download_resumes(server, path, headers):
    cut_once(server, path, headers=headers)
    assert names(path) == ['a.pth.part', 'a.pth.part.tag']
    assert (path.parent / 'a.pth.part').read_bytes() == CONTENT[:CUT]
    seen = []
    download(server.url('/a'), path, DIGEST, progress=lambda *sizes: seen.append(sizes))
    assert path.read_bytes() == CONTENT and names(path) == ['a.pth']
    assert server.asked == [('/a', None), ('/a', f'bytes={CUT}-')]
    assert all(done > CUT and total == len(CONTENT) for done, total in seen)


def test_a_download_interrupted_twice(server, path):
    cut_once(server, path, headers=MARKS[0])
    server.pages['/a'].cut = 1_000_000
    with pytest.raises(OSError, match=str(CUT + 1_000_000)):
        download(server.url('/a'), path)
    server.pages['/a'].cut = None
    download(server.url('/a'), path)
    assert path.read_bytes() == CONTENT
    assert server.asked[-1] == ('/a', f'bytes={CUT + 1_000_000}-')


def test_a_file_that_changed_after_the_interruption(server, path):
    cut_once(server, path, headers=MARKS[0])
    server.pages['/a'] = Page(CONTENT[::-1], {'ETag': '"2"'})
    download(server.url('/a'), path)
    assert path.read_bytes() == CONTENT[::-1]
    assert server.asked[-1] == ('/a', f'bytes={CUT}-')


def test_a_server_without_range_requests(server, path):
    cut_once(server, path, headers=MARKS[0], ranges=False)
    download(server.url('/a'), path)
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize('headers', [{}, {'ETag': 'W/"1"'}])
def test_a_server_without_tags(server, path, headers):
    cut_once(server, path, headers=headers)
    assert names(path) == []
    download(server.url('/a'), path)
    assert path.read_bytes() == CONTENT and server.asked[-1] == ('/a', None)


def test_a_part_that_was_already_complete(server, path):
    cut_once(server, path, headers=MARKS[0])
    (path.parent / 'a.pth.part').write_bytes(CONTENT)
    download(server.url('/a'), path)
    assert path.read_bytes() == CONTENT
    assert server.asked[1:] == [('/a', f'bytes={len(CONTENT)}-'), ('/a', None)]


def test_another_part_than_requested(server, path):
    cut_once(server, path, headers=MARKS[0])
    server.pages['/a'] = Page(b'x', {'Content-Range': 'bytes 0-0/1'}, status=206)
    with pytest.raises(OSError, match='another part'):
        download(server.url('/a'), path)
    assert not path.exists()


def test_another_file_than_expected(server, path):
    path.parent.mkdir()
    path.write_bytes(b'old')
    server.pages['/a'] = Page(CONTENT, MARKS[0])
    with pytest.raises(CheckpointError, match=f'{DIGEST}, not 00000000.*a.pth.bad'):
        download(server.url('/a'), path, '00000000')
    assert path.read_bytes() == b'old' and names(path) == ['a.pth', 'a.pth.bad']
    download(server.url('/a'), path, DIGEST)
    assert path.read_bytes() == CONTENT


def test_redirects_to_other_hosts_are_reported(server, path):
    server.pages['/here'] = Page(headers={'Location': server.url('/there')}, status=302)
    there = server.url('/a', 'localhost')
    server.pages['/there'] = Page(headers={'Location': there}, status=307)
    server.pages['/a'] = Page(CONTENT, MARKS[0], cut=CUT)
    said = []
    with pytest.raises(OSError, match=str(CUT)):
        download(server.url('/here'), path, log=said.append)
    assert said == ['redirected: 127.0.0.1 -> localhost']
    server.pages['/a'].cut = None
    download(server.url('/here'), path)
    assert path.read_bytes() == CONTENT
    assert server.asked[-1] == ('/a', f'bytes={CUT}-'), 'the rest is asked for at the end'


@pytest.mark.parametrize('schemes', [['https'], ['https', 'http']])
@pytest.mark.parametrize('scheme', ['http', 'HTTP', 'ftp'])
def test_https_stays_https(server, path, scheme, schemes):
    address = server.url('/a').replace('https', scheme)
    server.pages['/here'] = Page(headers={'Location': address}, status=302)
    with pytest.raises(CheckpointError, match='https'):
        download(server.url('/here'), path, schemes=schemes)
    assert server.asked == [('/here', None)] and names(path) == []


@pytest.mark.parametrize('url', ['http://localhost/a', 'ftp://localhost/a', 'file:///etc/hosts'])
def test_other_schemes_are_errors(path, url):
    with pytest.raises(CheckpointError, match='https'):
        download(url, path)
    assert not path.parent.exists()


def test_redirects_to_local_files_are_errors(server, path):
    server.pages['/here'] = Page(headers={'Location': 'file:///etc/hosts'}, status=302)
    with pytest.raises(OSError, match='302'):
        download(server.url('/here'), path)
    assert names(path) == []


@pytest.mark.parametrize('status', [404, 403])
def test_a_missing_file(server, path, status):
    server.pages['/a'] = Page(status=status)
    with pytest.raises(FileNotFoundError, match=rf'/a: .*{status}'):
        download(server.url('/a'), path)
    assert names(path) == []


def test_a_server_error_keeps_the_part(server, path):
    cut_once(server, path, headers=MARKS[0])
    server.pages['/a'] = Page(status=503)
    with pytest.raises(OSError, match='503') as error:
        download(server.url('/a'), path)
    assert not isinstance(error.value, FileNotFoundError)
    server.pages['/a'] = Page(CONTENT, MARKS[0])
    download(server.url('/a'), path)
    assert server.asked[-1] == ('/a', f'bytes={CUT}-') and path.read_bytes() == CONTENT


def test_a_web_page_is_an_error(server, path):
    server.pages['/a'] = Page(b'<html>', {'Content-Type': 'text/html; charset=utf-8'})
    with pytest.raises(OSError, match='web page'):
        download(server.url('/a'), path)
    assert names(path) == []


def test_not_enough_disk_space(server, path, monkeypatch):
    server.pages['/a'] = Page(CONTENT, MARKS[0])
    usage = shutil.disk_usage(path.parents[1])
    monkeypatch.setattr(shutil, 'disk_usage', lambda _: usage._replace(free=len(CONTENT) - 1))
    with pytest.raises(OSError, match='4.9 MiB') as error:
        download(server.url('/a'), path)
    assert error.value.errno == errno.ENOSPC and names(path) == []


@pytest.mark.skipif(not Path('/dev/full').exists(), reason='no /dev/full')
def test_a_disk_that_becomes_full(server, path):
    path.parent.mkdir()
    (path.parent / 'a.pth.part').symlink_to('/dev/full')
    server.pages['/a'] = Page(CONTENT, MARKS[0])
    with pytest.raises(OSError, match='Make room') as error:
        download(server.url('/a'), path)
    assert error.value.errno == errno.ENOSPC and not path.exists()


def test_an_untrusted_certificate(server, path, monkeypatch):
    monkeypatch.delenv('SSL_CERT_FILE')
    server.pages['/a'] = Page(CONTENT)
    with pytest.raises(OSError, match='certificate'):
        download(server.url('/a'), path)
    assert server.asked == [] and names(path) == []


def test_no_connection(server, path):
    url = server.url('/a')
    server.socket.close()
    with pytest.raises(OSError, match='no connection'):
        download(url, path)


def test_proxies_from_the_environment(path, monkeypatch):
    asked = []

    class Proxy(BaseHTTPRequestHandler):
        def do_CONNECT(self):
            asked.append(self.path)
            self.send_error(502)

        def log_message(self, *args):
            """Log nothing."""

    with HTTPServer(('127.0.0.1', 0), Proxy) as proxy, serving(proxy):
        monkeypatch.delenv('no_proxy', raising=False)
        monkeypatch.setenv('https_proxy', f'http://127.0.0.1:{proxy.server_port}')
        with pytest.raises(OSError, match='502'):
            download('https://example.invalid/a', path)
    assert asked == ['example.invalid:443']


def test_one_process_at_a_time(server, path):
    """The waiting process uses the file of the other one."""
    server.pages['/a'] = Page(CONTENT)
    waits = threading.Event()
    second = threading.Thread(
        target=download, args=(server.url('/a'), path), kwargs=dict(log=lambda _: waits.set())
    )
    with file_lock(f'{path}.part.lock'):
        second.start()
        assert waits.wait(10)
        path.write_bytes(b'by the first')
    second.join()
    assert path.read_bytes() == b'by the first' and server.asked == []
