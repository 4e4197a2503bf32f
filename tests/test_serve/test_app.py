# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import http.client
import json
import re
import socket
import threading
import time
from contextlib import ExitStack, contextmanager
from urllib.parse import urlsplit

import cv2
import numpy as np
import pytest
from served_page import POOLINGS, SIZE, K, R, served, small_inferencer

from mmfer.categories import EXPRESSIONS
from mmfer.responsible_use import RESPONSIBLE_USE
from mmfer.serve.page_model import PageModel
from mmfer.serve.uploads import UploadLimits, decode_picture

pytest.importorskip('starlette')
pytest.importorskip('uvicorn')

LIMITS = UploadLimits(max_bytes=500_000, max_pixels=400 * 400)


@pytest.fixture(scope='module')
def page():
    with served(small_inferencer(**POOLINGS), LIMITS) as address:
        yield address


def ask(page, method, path, body=None, headers=None):
    """Status, headers and content of an answer."""
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
        # Nothing names a place elsewhere; SVG's name space is none.
        assert set(re.findall(rb'//[\w.]+', content)) <= {b'//www.w3.org'}


@pytest.mark.parametrize('path', ['/', '/page.js', '/api/model', '/nothing', '/api/drawn/1'])
def test_the_browser_is_told_to_load_and_keep_nothing(page, path):
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
        ('/api/read', b'', 415, 'No picture came; send JPEG'),
        ('/api/read', b'GIF89a', 415, 'This is no picture'),
        ('/api/read', png()[:-20], 422, 'cut off'),
        ('/api/read', png(401, 400), 413, 'more than 0.16 megapixels'),
        ('/api/read?keep_num=17', png(), 400, 'keep_num=17'),
        ('/api/read?keep_num=few', png(), 400, "keep_num must be a whole number, not 'few'"),
        ('/api/read?keep_rate=0', png(), 400, 'keep_rate.*got 0.0'),
        ('/api/read?keep_rate=nan', png(), 400, 'keep_rate.*got nan'),
    ],
)
def test_refused(page, path, body, status, message):
    answered, _, content = ask(page, 'POST', path, body)
    assert answered == status and re.search(message, json.loads(content)['error'])


def test_a_large_file_is_refused_before_it_is_sent(page):
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


def test_other_websites_cannot_ask(page):
    """A form or script elsewhere may post to this machine; browsers say where it comes from."""
    for site, status in (('cross-site', 403), ('same-site', 403), ('same-origin', 200)):
        answered, _, content = ask(
            page, 'POST', '/api/read', png(), headers={'Sec-Fetch-Site': site}
        )
        assert answered == status
        assert status == 200 or 'of this page only' in json.loads(content)['error']


class SlowModel:
    """Lets pictures come and begins to read them, but does not end before ``finish`` is set."""

    def __init__(self):
        self.came, self.begun, self.answers = [], [], []
        self.finish = threading.Event()

    def decode(self, content, limits):
        self.came.append(content)
        return decode_picture(content, limits)

    def read(self, image, settings):
        self.begun.append(image)
        self.finish.wait(60)
        return dict(faces=[])

    @contextmanager
    def asked(self, page, count):
        """While so many ask at once."""

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
    monkeypatch.setattr('mmfer.serve.app.decode_picture', slow.decode)
    monkeypatch.setattr(PageModel, 'read', lambda self, *arguments: slow.read(*arguments))
    yield slow
    slow.finish.set()


def test_the_server_ends_although_pictures_wait(slow, monkeypatch, caplog):
    monkeypatch.setattr('mmfer.serve.server._GRACE', 0)
    with ExitStack() as stack, served(small_inferencer(**POOLINGS)) as page:
        stack.enter_context(slow.asked(page, 3))
    # Python waits at its end for the thread that reads; those who wait for it have none.
    assert len(slow.begun) == 1
    assert [status for status, _, _ in slow.answers] == [503] * 3
    assert b'The server is ending' in slow.answers[0][2] and 'Traceback' not in caplog.text


def test_more_pictures_than_may_wait(slow, monkeypatch):
    monkeypatch.setattr('mmfer.serve.app._AT_ONCE', 3)
    with served(small_inferencer(**POOLINGS)) as page:
        with slow.asked(page, 3):
            status, _, content = ask(page, 'POST', '/api/read', png())
            assert status == 503 and 'come again' in json.loads(content)['error']
            slow.finish.set()
        assert [status for status, _, _ in slow.answers] == [200] * 3
        assert ask(page, 'POST', '/api/read', png())[0] == 200


def test_many_who_only_look(page):
    """A browser keeps some connections to a page open, for seconds."""
    place = urlsplit(page)
    with ExitStack() as stack:
        for _ in range(100):
            stack.enter_context(socket.create_connection((place.hostname, place.port)))
        assert ask(page, 'GET', '/')[0] == 200


def test_names_of_other_machines_lead_nowhere(page):
    port = urlsplit(page).port
    assert ask(page, 'GET', '/', headers={'Host': f'localhost:{port}'})[0] == 200
    assert ask(page, 'GET', '/', headers={'Host': f'elsewhere.example:{port}'})[0] == 400
