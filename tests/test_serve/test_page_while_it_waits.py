# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""User actions while the page waits for a slow server, in a real browser."""

import threading

import cv2
import numpy as np
import pytest
from page_in_browser import opened
from served_page import POOLINGS, SIZE

from mmfer.serve.uploads import UploadLimits, decode_upload


class Door:
    """Blocks requests, and lets one through at a time."""

    def __init__(self):
        self.came = 0
        self._through = threading.Semaphore(0)

    def open(self):
        self._through.release()

    def decode(self, content, limits):
        self.came += 1
        assert self._through.acquire(timeout=300)
        return decode_upload(content, limits)


@pytest.fixture
def door(browser, monkeypatch):
    door = Door()
    monkeypatch.setattr('mmfer.serve.app.decode_upload', door.decode)
    return door


@pytest.fixture
def files(tmp_path):
    """Names and paths of two images, one that is too large for ``LIMITS``, and a text file."""
    noise = np.random.default_rng(0).integers(0, 255, (100, 100, 3), np.uint8)
    cv2.imwrite(str(tmp_path / 'first.png'), noise[:SIZE, :SIZE])
    cv2.imwrite(str(tmp_path / 'second.png'), noise[-SIZE:, -SIZE:])
    cv2.imwrite(str(tmp_path / 'large.png'), noise)
    (tmp_path / 'text.jpg').write_text('no image')
    return {path.stem: path for path in tmp_path.iterdir()}


LIMITS = UploadLimits(max_bytes=10_000)


def image_shown(page):
    """'blob' for the selected image, 'data' for the annotated one."""
    return page.find('#image').get_attribute('src').split(':')[0]


def test_a_second_image_gets_only_its_own_response(browser, door, files):
    with opened(browser, LIMITS, **POOLINGS) as page:
        page.choose(files['first'])
        page.wait(lambda: door.came == 1)
        page.choose(files['second'])
        page.wait(lambda: page.text('#caption') == 'second.png')
        assert page.find('#image').get_attribute('alt') == ''  # not annotated yet
        door.open()
        page.wait(lambda: door.came == 2)
        # The response for the first image is not shown for the second.
        assert image_shown(page) == 'blob' and page.texts('.face') == []
        door.open()
        page.wait_for_answer()
        assert image_shown(page) == 'data' and len(page.texts('.face')) == 1
        assert page.text('#caption') == 'second.png' and door.came == 2


def test_a_second_image_is_kept_if_the_first_is_rejected(browser, door, files):
    with opened(browser, LIMITS, **POOLINGS) as page:
        page.choose(files['text'])
        page.wait(lambda: door.came == 1)
        page.choose(files['second'])
        page.wait(lambda: page.text('#caption') == 'second.png')
        door.open(), door.open()
        page.wait_for_answer()
        assert page.text('#caption') == 'second.png' and len(page.texts('.face')) == 1
        assert not page.find('#error').is_displayed()


def test_a_rejected_image_is_not_sent_again(browser, door, files):
    with opened(browser, LIMITS, **POOLINGS) as page:
        page.choose(files['text'])
        page.wait(lambda: door.came == 1)
        page.push('keep-num', 3)
        door.open()
        page.wait_for_answer()
        assert page.text('#error').startswith('This is not a supported image') and door.came == 1


def test_an_error_is_kept_when_an_earlier_response_arrives(browser, door, files):
    with opened(browser, LIMITS, **POOLINGS) as page:
        page.choose(files['first'])
        page.wait(lambda: door.came == 1)
        page.choose(files['large'])
        page.wait(lambda: page.text('#error').startswith('The file is larger'))
        door.open()
        page.wait(lambda: page.texts('.face'))
        assert page.text('#caption') == 'first.png'
        assert page.text('#error').startswith('The file is larger')
        door.open()
        page.move('keep-num', 3)
        assert not page.find('#error').is_displayed()


def test_a_file_that_changes_later_is_not_read_again(browser, files):
    with opened(browser, LIMITS, **POOLINGS) as page:
        page.upload(files['first'])
        page.move('keep-num', 3)
        shown = page.texts('.face .bar')
        page.move('keep-num', 4)
        files['first'].write_bytes(files['second'].read_bytes())
        page.move('keep-num', 3)
        assert not page.find('#error').is_displayed() and page.texts('.face .bar') == shown


def test_a_file_that_cannot_be_read(browser):
    """A folder that is dropped, for example."""
    with opened(browser, LIMITS, **POOLINGS) as page:
        page.run(
            'const file = new File(["x"], "gone.png");'
            'file.arrayBuffer = () => Promise.reject(new DOMException("", "NotFoundError"));'
            'const drop = new Event("drop", {bubbles: true, cancelable: true});'
            'drop.dataTransfer = {files: [file]};'
            'document.querySelector("#drop").dispatchEvent(drop)'
        )
        page.wait_for_answer()
        assert page.text('#error') == 'The file cannot be read.'


@pytest.mark.parametrize(
    ('fetch', 'message'),
    [
        ('() => Promise.reject(new TypeError())', 'The server does not respond'),
        ('async () => Response.json({error: "Come again"}, {status: 503})', 'Come again'),
    ],
)
def test_an_image_is_kept_if_the_server_fails(browser, files, fetch, message):
    with opened(browser, LIMITS, **POOLINGS) as page:
        page.upload(files['first'])
        page.run(f'window.there = window.fetch; window.fetch = {fetch}')
        page.push('keep-num', 3)
        page.wait(lambda: page.text('#error').startswith(message))
        assert image_shown(page) == 'blob' and page.texts('.face') == []
        page.run('window.fetch = window.there')
        page.move('keep-num', 4)
        assert image_shown(page) == 'data' and page.kept()[0] == '4 of 16'
        assert not page.find('#error').is_displayed()
