# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import asyncio
import http.client
import json
import re
import socket
import threading
import time
from contextlib import ExitStack, contextmanager
from functools import partial
from urllib.parse import urlsplit

import cv2
import numpy as np
import pytest
from served_page import POOLINGS, SIZE, K, R, served, small_inferencer

from mmfer.categories import EXPRESSIONS
from mmfer.responsible_use import RESPONSIBLE_USE
from mmfer.serve.page_model import PageModel
from mmfer.serve.uploads import RefusedUploadError, UploadLimits, decode_upload

pytest.importorskip('starlette')
pytest.importorskip('uvicorn')

from starlette.requests import Request
from uvicorn.protocols.http.h11_impl import H11Protocol

from mmfer.serve.app import _receive, is_from_this_page

LIMITS = UploadLimits(max_bytes=500_000, max_pixels=400 * 400)


@pytest.fixture(scope='module')
def page():
    with served(small_inferencer(**POOLINGS), LIMITS) as address:
        yield address


def ask(page, method, path, body=None, headers=None):
    """Return status, headers and content of a response."""
    connection = http.client.HTTPConnection(urlsplit(page).netloc, timeout=300)
    try:
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        return response.status, response.headers, response.read()
    finally:
        connection.close()


def png(width=SIZE, height=SIZE):
    return cv2.imencode('.png', np.zeros((height, width, 3), np.uint8))[1].tobytes()


def test_the_page(page):
    status, headers, content = ask(page, 'GET', '/')
    assert status == 200 and headers['content-type'].startswith('text/html')
    parts = re.findall(r'(?:src|href)="([^"]+)"', content.decode())
    assert sorted(parts) == ['icon.svg', 'page.css', 'page.js']
    for part in parts:
        status, _, content = ask(page, 'GET', f'/{part}')
        assert status == 200
        # No URL of another host; SVG's namespace is not a request.
        assert set(re.findall(rb'//[\w.]+', content)) <= {b'//www.w3.org'}


@pytest.mark.parametrize('path', ['/', '/page.js', '/api/model', '/nothing', '/api/drawn/1'])
def test_headers_forbid_loading_and_storing(page, path):
    _, headers, _ = ask(page, 'GET', path)
    policy = headers['content-security-policy']
    assert "default-src 'none'" in policy and 'http' not in policy and '*' not in policy
    assert headers['cache-control'] == 'no-store' and 'server' not in headers
    assert headers['cross-origin-resource-policy'] == 'same-origin'


def test_the_model(page):
    status, _, content = ask(page, 'GET', '/api/model')
    about = json.loads(content)
    assert status == 200 and about['task'] == 'expression' and about['name'] == 'small'
    assert (about['num_patches'], about['keep_num'], about['keep_rate']) == (16, K, R)
    assert (about['max_bytes'], about['max_pixels']) == (500_000, 160_000)
    assert tuple(about['responsible_use']) == RESPONSIBLE_USE


def test_non_finite_predictions_are_an_error():
    inferencer = small_inferencer()
    inferencer.model.head.layers[-1].fc.bias.data.fill_(np.nan)
    with served(inferencer) as page:
        status, _, content = ask(page, 'POST', '/api/read', png())
    assert status >= 400 and not any(name.encode() in content for name in EXPRESSIONS)


def test_a_drawn_face_is_read(page):
    status, headers, content = ask(page, 'GET', '/api/drawn/3')
    assert status == 200 and headers['x-expression'] in EXPRESSIONS
    assert ask(page, 'GET', '/api/drawn/1003')[2] == content != ask(page, 'GET', '/api/drawn/4')[2]
    status, _, answer = ask(page, 'POST', '/api/read?keep_num=5&keep_rate=1', content)
    answer = json.loads(answer)
    assert status == 200 and answer['settings'] == dict(keep_num=5, keep_rate=1)
    (face,) = answer['faces']
    assert [bar['name'] for bar in face['bars']] == list(EXPRESSIONS)
    assert sum(bar['score'] for bar in face['bars']) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    ('path', 'body', 'status', 'message'),
    [
        ('/api/read', b'', 415, 'The request has no image; send JPEG'),
        ('/api/read', b'GIF89a', 415, 'not a supported image'),
        ('/api/read', png()[:-20], 422, 'truncated'),
        ('/api/read', png(401, 400), 413, 'more than 0.16 megapixels'),
        ('/api/read', png(1, 10000), 422, '1x10000 pixels: one side is more than 100 times'),
        ('/api/read?keep_num=' + 5000 * '9', png(), 400, "whole number, not '9{20}'"),
        ('/api/read?keep_rate=' + 5000 * '9', png(), 400, "a number, not '9{20}'"),
        ('/api/read?keep_num=17', png(), 400, 'keep_num=17'),
        ('/api/read?keep_num=few', png(), 400, "keep_num must be a whole number, not 'few'"),
        ('/api/read?keep_rate=0', png(), 400, 'keep_rate.*got 0.0'),
        ('/api/read?keep_rate=nan', png(), 400, 'keep_rate.*got nan'),
    ],
)
def test_refused(page, path, body, status, message):
    answered, _, content = ask(page, 'POST', path, body)
    assert answered == status and re.search(message, json.loads(content)['error'])


@pytest.mark.parametrize('number', [5000 * '9', '-1', 'x'])
def test_drawn_faces_have_numbers(page, number):
    status, _, content = ask(page, 'GET', f'/api/drawn/{number}')
    assert status == 404 and 'whole number' in json.loads(content)['error']


def test_a_length_that_is_too_long_a_number(page):
    """int() raises an error above 4300 digits."""
    headers = {'Content-Length': 5000 * '9'}
    assert ask(page, 'POST', '/api/read', headers=headers)[0] == 400  # by the server

    async def receive():
        pytest.fail('the body was read')

    headers = [(b'content-length', 5000 * b'9')]
    request = Request(dict(type='http', method='POST', headers=headers), receive)
    with pytest.raises(RefusedUploadError, match='larger than'):
        asyncio.run(anext(_receive(request, LIMITS)))


def test_thin_images_are_read_up_to_the_limit(page):
    assert ask(page, 'POST', '/api/read', png(10, 1000))[0] == 200


@pytest.mark.parametrize(
    ('error', 'told'),
    [
        (ValueError("the scores of 'array 0' are NaN"), ": the scores of 'array 0' are NaN"),
        (RuntimeError('in /home/me/model.py'), ' (RuntimeError); see the log of the server.'),
        (cv2.error('in /io/resize.cpp'), ' (error); see the log of the server.'),
    ],
)
def test_errors_of_the_model_have_a_message(page, monkeypatch, caplog, error, told):
    def fail(self, image, settings):
        raise error

    monkeypatch.setattr(PageModel, 'read', fail)
    status, _, content = ask(page, 'POST', '/api/read', png())
    assert status == 422
    assert json.loads(content)['error'] == f'The image cannot be read{told}'
    assert ('Traceback' in caplog.text) != isinstance(error, ValueError)


def test_nan_is_an_error(page, monkeypatch):
    monkeypatch.setattr(PageModel, 'read', lambda *_: dict(score=float('nan')))
    status, _, content = ask(page, 'POST', '/api/read', png())
    assert status == 422 and b'NaN' not in content and b'cannot be read' in content


def test_a_large_file_is_rejected_before_it_is_sent(page):
    connection = http.client.HTTPConnection(urlsplit(page).netloc, timeout=300)
    connection.putrequest('POST', '/api/read')
    connection.putheader('Content-Length', str(10**12))
    connection.endheaders()
    response = connection.getresponse()
    assert response.status == 413
    assert json.loads(response.read())['error'] == 'The file is larger than 0.5 MB.'
    connection.close()


def test_a_file_of_unknown_length_is_read_up_to_the_limit(page):
    chunks = (bytes(250_001) for _ in range(2))
    status, _, content = ask(page, 'POST', '/api/read', chunks)
    assert status == 413 and b'larger than 0.5 MB' in content


@pytest.mark.parametrize('path', ['/../app.py', '/%2e%2e/app.py', '/..%2fapp.py', '//etc/passwd'])
def test_no_files_but_the_page(page, path):
    assert ask(page, 'GET', path)[0] == 404


def test_other_websites_are_rejected(page):
    """Forms and scripts of other websites may post to this machine; browsers send their origin."""
    for site, status in (('cross-site', 403), ('same-site', 403), ('same-origin', 200)):
        answered, _, content = ask(
            page, 'POST', '/api/read', png(), headers={'Sec-Fetch-Site': site}
        )
        assert answered == status
        assert status == 200 or 'from this page' in json.loads(content)['error']


@pytest.mark.parametrize(
    ('name', 'value', 'status'),
    [
        ('Origin', 'http://{place}', 200),
        ('Origin', 'https://{place}', 200),  # behind a web server with encryption
        ('Origin', 'http://elsewhere.example', 403),
        ('Origin', 'http://localhost:1', 403),
        ('Origin', 'null', 403),
        ('Origin', '', 403),
        ('Referer', 'http://{place}/', 200),
        ('Referer', 'http://elsewhere.example/{place}', 403),
        ('Referer', 'http://{place}@elsewhere.example/', 403),
    ],
)
def test_browsers_that_do_not_send_sec_fetch_site(page, name, value, status):
    """Older ones, and all if the page is on another machine without HTTPS."""
    headers = {name: value.format(place=urlsplit(page).netloc)}
    assert ask(page, 'POST', '/api/read', png(), headers=headers)[0] == status


def test_default_ports_may_be_omitted():
    assert is_from_this_page(dict(host='example.org:443', origin='https://example.org'))
    assert is_from_this_page(dict(host='Example.org', origin='http://example.org:80'))
    assert not is_from_this_page(dict(host='example.org', origin='http://example.org:443'))
    assert not is_from_this_page(dict(origin=''))
    assert is_from_this_page(dict(host='example.org'))  # a program such as curl


class Places(asyncio.Semaphore):
    """Records acquired places."""

    def __init__(self, count, came):
        super().__init__(count)
        self.came = came

    async def acquire(self):
        await super().acquire()
        self.came.append(self)


class SlowModel:
    """Accepts images and starts to process them, but only returns when ``finish`` is set."""

    def __init__(self):
        self.came, self.decoded, self.begun, self.answers = [], [], [], []
        self.finish = threading.Event()

    def decode(self, content, limits):
        self.decoded.append(content)
        return decode_upload(content, limits)

    def read(self, image, settings):
        self.begun.append(image)
        self.finish.wait(60)
        return dict(faces=[])

    @contextmanager
    def asked(self, page, count):
        """While ``count`` requests run."""

        def send():
            self.answers.append(ask(page, 'POST', '/api/read', png()))

        senders = [threading.Thread(target=send) for _ in range(count)]
        for sender in senders:
            sender.start()
        try:
            while len(self.came) < count or not self.begun:
                assert any(sender.is_alive() for sender in senders)
                time.sleep(0.01)
            yield
        finally:
            for sender in senders:
                sender.join(60)


@pytest.fixture
def slow(monkeypatch):
    slow = SlowModel()
    monkeypatch.setattr('mmfer.serve.app.asyncio.Semaphore', partial(Places, came=slow.came))
    monkeypatch.setattr('mmfer.serve.app.decode_upload', slow.decode)
    monkeypatch.setattr(PageModel, 'read', lambda self, *arguments: slow.read(*arguments))
    yield slow
    slow.finish.set()


def test_the_server_ends_although_images_wait(slow, monkeypatch, caplog):
    monkeypatch.setattr('mmfer.serve.server._GRACE', 0)
    with ExitStack() as stack, served(small_inferencer(**POOLINGS)) as page:
        stack.enter_context(slow.asked(page, 3))
    # Python waits at its end for the thread that reads; those who wait for it have none, and their
    # images are not unfolded in memory.
    assert len(slow.begun) == len(slow.decoded) == 1
    assert [status for status, _, _ in slow.answers] == [503] * 3
    assert b'The server is shutting down' in slow.answers[0][2] and 'Traceback' not in caplog.text


def test_more_images_than_may_wait(slow, monkeypatch):
    monkeypatch.setattr('mmfer.serve.app._AT_ONCE', 3)
    with served(small_inferencer(**POOLINGS)) as page:
        with slow.asked(page, 3):
            status, _, content = ask(page, 'POST', '/api/read', png())
            assert status == 503 and 'try again' in json.loads(content)['error']
            slow.finish.set()
        assert [status for status, _, _ in slow.answers] == [200] * 3
        assert ask(page, 'POST', '/api/read', png())[0] == 200


@contextmanager
def silent(page, count, start=b''):
    """Clients that announce an image and do not send it."""
    place = urlsplit(page)
    with ExitStack() as stack:
        senders = []
        for _ in range(count):
            sender = stack.enter_context(socket.create_connection((place.hostname, place.port)))
            sender.settimeout(60)
            sender.sendall(start or b'POST /api/read HTTP/1.1\r\n')
            senders.append(sender)
        yield senders


HEADERS = b'POST /api/read HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n'


def test_silent_clients_do_not_block_others():
    with served(small_inferencer(**POOLINGS)) as page, silent(page, 40, HEADERS + b'x'):
        assert ask(page, 'POST', '/api/read', png())[0] == 200


def test_time_limit_of_a_file(caplog):
    limits = UploadLimits(max_seconds=0.05)
    with served(small_inferencer(**POOLINGS), limits) as page:
        with silent(page, 1, HEADERS + b'x') as (sender,):
            answer = sender.recv(10_000)
        assert answer.startswith(b'HTTP/1.1 408') and b'within 0.05 seconds' in answer
    assert 'Traceback' not in caplog.text


@pytest.mark.parametrize('start', [b'P', b'POST /api/read HTTP/1.1\r\nHost: loc'])
def test_time_limit_of_headers(monkeypatch, start):
    monkeypatch.setattr('mmfer.serve.server._HEADER_SECONDS', 0.05)
    with served(small_inferencer(**POOLINGS)) as page:
        with silent(page, 1, start) as (sender,):
            assert sender.recv(10_000) == b''
        # The limit also applies to a second request on a connection.
        with silent(page, 1, b'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n' + start) as (sender,):
            while sender.recv(10_000):
                pass
        assert ask(page, 'POST', '/api/read', png())[0] == 200


def test_time_limit_of_reading_a_response(monkeypatch):
    monkeypatch.setattr('mmfer.serve.server._ANSWER_SECONDS', 0.05)
    left = threading.Event()
    monkeypatch.setattr(
        H11Protocol,
        'connection_lost',
        lambda *_, lost=H11Protocol.connection_lost: [lost(*_), left.set()],
    )
    with served(small_inferencer(**POOLINGS)) as page, socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)  # else it buffers megabytes
        client.connect((urlsplit(page).hostname, urlsplit(page).port))
        client.sendall(b'GET /page.js HTTP/1.1\r\nHost: localhost\r\n\r\n' * 1000)
        assert left.wait(60)
        assert ask(page, 'GET', '/')[0] == 200


def test_no_more_bytes_at_once_than_that_many_files_have(monkeypatch):
    monkeypatch.setattr('mmfer.serve.app._AT_ONCE', 1)
    limits = UploadLimits(max_bytes=1000)
    with served(small_inferencer(**POOLINGS), limits) as page:
        with silent(page, 1, HEADERS + bytes(999)):
            deadline = time.monotonic() + 60
            while ask(page, 'POST', '/api/read', png())[0] != 503:
                assert time.monotonic() < deadline
        while ask(page, 'POST', '/api/read', png())[0] != 200:  # until it is disconnected
            assert time.monotonic() < deadline


def test_clients_that_disconnect_are_not_logged(slow, caplog):
    with served(small_inferencer(**POOLINGS)) as page:
        with slow.asked(page, 1):
            whole = HEADERS.replace(b'1000', str(len(png())).encode()) + png()
            with silent(page, 1, HEADERS + b'x'), silent(page, 1, whole):
                while len(slow.came) < 2:
                    time.sleep(0.01)
            slow.finish.set()
        # The image of a client that left while it waited is not processed.
        assert ask(page, 'POST', '/api/read', png())[0] == 200
        assert len(slow.begun) == 2
    assert 'Traceback' not in caplog.text and 'Exception' not in caplog.text


def test_many_idle_connections(page):
    """A browser keeps some connections to a page open for seconds."""
    place = urlsplit(page)
    with ExitStack() as stack:
        for _ in range(100):
            stack.enter_context(socket.create_connection((place.hostname, place.port)))
        assert ask(page, 'GET', '/')[0] == 200


def test_other_host_names_are_rejected(page):
    port = urlsplit(page).port
    assert ask(page, 'GET', '/', headers={'Host': f'localhost:{port}'})[0] == 200
    assert ask(page, 'GET', '/', headers={'Host': f'elsewhere.example:{port}'})[0] == 400
