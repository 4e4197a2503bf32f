# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""The page in a real, headless browser. Skipped if there is no browser."""

import json
from urllib.parse import urlsplit

import numpy as np
from page_in_browser import opened
from PIL import Image
from served_page import GRID, POOLINGS, K, R

from mmfer.categories import EXPRESSIONS
from mmfer.serve.uploads import UploadLimits


def test_a_drawn_face_and_the_sliders(browser):
    with opened(browser, **POOLINGS) as page:
        assert page.text('#keep-num output') == f'{K} of {GRID**2}'
        assert page.text('#keep-rate output') == f'{R:.2f}'
        page.draw()
        assert page.text('#caption').removeprefix('A drawn face, expression: ') in EXPRESSIONS
        assert page.texts('.face .bar span:first-child') == list(EXPRESSIONS)
        assert page.text('.face .bar.best span').split()[0] == page.text('.face h2').split()[0]
        assert page.kept() == ['9 of 16', '4 of 16', '2 of 16']
        assert page.run(
            'return [...document.images].every((image) => image.complete && image.naturalWidth)'
        )
        trained = page.texts('.face .bar')
        assert 'median of 5 passes' in page.text('#speed')
        assert all(' ms' in text for text in page.texts('#speed .bar'))

        page.move('keep-num', 5)
        assert page.text('#keep-num output') == '5 of 16' and page.kept()[0] == '5 of 16'
        page.move('keep-rate', 1)
        assert page.kept() == ['5 of 16'] * 3
        assert page.text('#tokens').endswith('5, 5')
        page.find('#whole').click()
        page.wait_for_answer()
        assert page.kept() == ['16 of 16'] * 3
        assert page.text('.face .hint').endswith(page.text('.face h2'))
        page.find('#trained').click()
        page.wait_for_answer()
        assert page.texts('.face .bar') == trained


def test_quick_changes_end_with_the_last(browser):
    with opened(browser, **POOLINGS) as page:
        page.draw()
        page.run(
            'const input = document.querySelector("#keep-num-input");'
            'for (let k = 1; k < 15; k++) {'
            '  input.value = k; input.dispatchEvent(new Event("input", {bubbles: true}));}'
        )
        page.wait_for_answer()
        assert page.kept()[0] == '14 of 16'


def test_models_without_poolings_have_no_sliders(browser):
    with opened(browser) as page:
        page.draw()
        assert not page.find('#pooling').is_displayed()
        assert page.find('#speed').is_displayed() and len(page.texts('.face .bar')) == 7
        assert page.texts('.stages') == [] and page.texts('.mark') == []
    with opened(browser, app=POOLINGS['app']) as page:
        assert page.find('#keep-num').is_displayed() and not page.find('#keep-rate').is_displayed()


def test_rejected_files_have_a_message(browser, tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (100, 100, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / 'large.png')
    Image.fromarray(noise[:40, :40]).save(tmp_path / 'many.bmp')
    Image.fromarray(noise[:20, :20]).save(tmp_path / 'good.webp')
    (tmp_path / 'text.jpg').write_text('no image')
    with opened(browser, UploadLimits(10_000, 1000), **POOLINGS) as page:
        for name, message in (
            ('large.png', 'The file is larger than 0.01 MB.'),
            ('many.bmp', 'The image has more than 0.001 megapixels.'),
            ('text.jpg', 'This is not a supported image; send JPEG, PNG, WebP or BMP.'),
        ):
            page.upload(tmp_path / name)
            assert page.text('#error') == message
            assert page.find('#error').get_attribute('role') == 'alert'
        page.upload(tmp_path / 'good.webp')
        page.wait(lambda: page.texts('.face h2'))
        assert not page.find('#error').is_displayed() and page.text('#caption') == 'good.webp'


def test_the_note_is_shown(browser):
    with opened(browser, **POOLINGS) as page:
        note = page.text('#note')
        assert 'It cannot tell what somebody feels' in note and 'Regulation 2024/1689' in note
        assert 'not stored, logged or sent elsewhere' in page.text('#privacy')


def test_everything_comes_from_this_machine(browser):
    browser.get_log('performance'), browser.get_log('browser')
    with opened(browser, **POOLINGS) as page:
        page.draw()
        page.move('keep-num', 3)
        messages = [
            json.loads(entry['message'])['message'] for entry in page.browser.get_log('performance')
        ]
        addresses = {
            message['params']['request']['url']
            for message in messages
            if message['method'] == 'Network.requestWillBeSent'
        }
        places = {urlsplit(address)[:2] for address in addresses}
        assert {parts[0] for parts in places} <= {'http', 'data', 'blob'}
        assert {parts for parts in places if parts[0] == 'http'} == {urlsplit(page.address)[:2]}
        read = [address for address in addresses if '/api/read?keep_num=3&' in address]
        assert len(read) == 1
        assert page.browser.get_log('browser') == []
        assert page.browser.get_cookies() == []
        assert page.run('return localStorage.length + sessionStorage.length') == 0
        # And the browser would block other requests.
        blocked = page.browser.execute_async_script(
            'const done = arguments[0]; fetch("http://192.0.2.1/").then(() => done("sent"), '
            '(error) => done("refused"))'
        )
        assert blocked == 'refused'
        assert 'Content Security Policy' in page.browser.get_log('browser')[0]['message']
