# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""The page of ``serve`` in a real browser."""

import time
from contextlib import contextmanager

from served_page import served, small_inferencer

_SECONDS = 300  # timeout of each wait


class Page:
    """What a user of the page can see and do."""

    def __init__(self, browser, address):
        self.browser, self.address = browser, address
        browser.get(f'{address}/')
        self.wait(lambda: self.run('return document.body.dataset.ready') == 'yes')

    def run(self, script, *arguments):
        return self.browser.execute_script(script, *arguments)

    def find(self, selector):
        return self.browser.find_element('css selector', selector)

    def text(self, selector):
        return self.find(selector).text

    def texts(self, selector):
        return [found.text for found in self.browser.find_elements('css selector', selector)]

    def wait(self, condition):
        deadline = time.monotonic() + _SECONDS
        while not condition():
            assert time.monotonic() < deadline, self.browser.get_log('browser')
            time.sleep(0.02)

    def wait_for_answer(self):
        self.wait(
            lambda: self.run(
                'return !document.body.classList.contains("busy") && '
                '(document.querySelector("#faces").children.length > 0 || '
                '!document.querySelector("#error").hidden)'
            )
        )

    def clear(self):
        """Remove the results, so that later ones are new."""
        self.run(
            'document.querySelector("#faces").replaceChildren();'
            'document.querySelector("#error").hidden = true'
        )

    def draw(self):
        self.clear()
        self.find('#draw').click()
        self.wait_for_answer()

    def choose(self, path):
        self.find('#file').send_keys(str(path))

    def upload(self, path):
        self.clear()
        self.choose(path)
        self.wait_for_answer()

    def push(self, slider, value):
        """Move a slider as a user does."""
        self.run(
            'const input = document.querySelector(arguments[0]); input.value = arguments[1];'
            'input.dispatchEvent(new Event("input", {bubbles: true}))',
            f'#{slider}-input',
            str(value),
        )

    def move(self, slider, value):
        """Move a slider and wait for the result."""
        self.push(slider, value)
        self.wait_for_answer()

    def kept(self):
        """Return the text of each stage, such as '9 of 16'."""
        return [text.split('\n')[1] for text in self.texts('.stages figcaption')]


@contextmanager
def opened(browser, *arguments, **poolings):
    with served(small_inferencer(**poolings), *arguments) as address:
        yield Page(browser, address)
