# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Accessibility of the page in a real browser: keyboard, screen reader, phone, dark mode."""

from contextlib import contextmanager

import cv2
import numpy as np
import pytest
from page_in_browser import opened
from served_page import POOLINGS, SIZE, K

from mmfer.categories import ACTION_UNITS, EXPRESSIONS

pytest.importorskip('selenium')

from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

_CONTRASTS = """
const numbers = (color) => color.match(/[\\d.]+/g).map(Number);
const light = (color) => numbers(color).slice(0, 3)
  .map((value) => value / 255)
  .map((value) => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4)
  .reduce((sum, value, index) => sum + value * [0.2126, 0.7152, 0.0722][index], 0);
const behind = (element) => {
  const color = getComputedStyle(element).backgroundColor;
  return numbers(color)[3] === 0 ? behind(element.parentElement) : color;
};
return [...document.querySelectorAll('body *')]
  .filter((element) => element.checkVisibility() &&
    [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim()))
  .map((element) => {
    const pair = [light(getComputedStyle(element).color), light(behind(element))];
    return [element.textContent, (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05)];
  });
"""


@contextmanager
def screen(browser, width, height=640):
    """A screen of this size in CSS pixels; zooming to 200 % halves that of a desktop."""
    metrics = dict(width=width, height=height, deviceScaleFactor=1, mobile=False)
    browser.execute_cdp_cmd('Emulation.setDeviceMetricsOverride', metrics)
    try:
        yield
    finally:
        browser.execute_cdp_cmd('Emulation.clearDeviceMetricsOverride', {})


@contextmanager
def preferring(browser, name, value):
    feature = dict(name=name, value=value)
    browser.execute_cdp_cmd('Emulation.setEmulatedMedia', dict(features=[feature]))
    try:
        yield
    finally:
        browser.execute_cdp_cmd('Emulation.setEmulatedMedia', dict(features=[]))


def press(page, *keys):
    ActionChains(page.browser).send_keys(*keys).perform()


def spoken(page):
    """Return role and name of all elements for a screen reader."""
    tree = page.browser.execute_cdp_cmd('Accessibility.getFullAXTree', {})
    return [
        (node['role']['value'], node['name']['value'])
        for node in tree['nodes']
        if not node['ignored'] and node.get('name', {}).get('value')
    ]


def test_by_keyboard(browser):
    with opened(browser, **POOLINGS) as page:
        reached = []
        for _ in range(6):
            press(page, Keys.TAB)
            focused = browser.switch_to.active_element
            reached.append(focused.get_attribute('id'))
            seen = focused.find_element('xpath', '..') if reached[-1] == 'file' else focused
            assert seen.value_of_css_property('outline-style') == 'solid'
        assert reached == ['file', 'draw', 'keep-num-input', 'keep-rate-input', 'trained', 'whole']
        page.run('document.querySelector("#draw").focus()')
        press(page, Keys.SPACE)
        page.wait_for_answer()
        assert page.text('#caption').startswith('A drawn face')
        page.clear()
        press(page, Keys.TAB, Keys.ARROW_LEFT)
        page.wait_for_answer()
        assert page.kept()[0] == f'{K - 1} of 16'
        page.clear()
        press(page, Keys.TAB, Keys.TAB, Keys.ENTER)
        page.wait_for_answer()
        assert page.kept()[0] == f'{K} of 16'


def test_for_screen_readers(browser):
    with opened(browser, **POOLINGS) as page:
        page.draw()
        told = spoken(page)
        title, bars = page.text('.face h2'), page.texts('.face .bar')
        # A face has its own heading.
        assert page.texts('h2')[:3] == ['Attentive pooling', 'Time per face', title]
        for role, name in (
            ('button', 'Choose an image'),
            ('button', 'Draw a face'),
            ('slider', 'Patches kept (k)'),
            ('slider', 'Keep rate per block (r)'),
            ('heading', title),
            ('image', 'Input of the network'),
            ('image', 'Kept by ATP, block 2: 2 of 16'),
        ):
            assert (role, name) in told
        marks = [name for role, name in told if role == 'image' and name.endswith('all kept')]
        assert len(marks) == len(bars) == len(EXPRESSIONS)
        status = page.find('#status')
        assert status.get_attribute('textContent') == title
        assert status.get_attribute('role') == 'status'


@pytest.mark.parametrize('scheme', ['light', 'dark'])
def test_contrast_of_texts(browser, scheme, tmp_path):
    """Contrast of at least 4.5 to 1, level AA of the Web Content Accessibility Guidelines."""
    (tmp_path / 'text.jpg').write_text('no image')
    preference = preferring(browser, 'prefers-color-scheme', scheme)
    with preference, opened(browser, **POOLINGS) as page:
        for act in (page.draw, lambda: page.upload(tmp_path / 'text.jpg')):
            act()
            contrasts = page.run(_CONTRASTS)
            assert len(contrasts) > 15
            assert [pair for pair in contrasts if pair[1] < 4.5] == []


def test_bars_are_visible_with_forced_colors(browser):
    with preferring(browser, 'forced-colors', 'active'), opened(browser, **POOLINGS) as page:
        page.draw()
        colors = {
            page.find(f'.face {part}').value_of_css_property('background-color')
            for part in ('.track', '.bar:not(.best) .fill', '.best .fill', '.mark')
        }
        assert len(colors) == 4


@pytest.mark.parametrize('width', [320, 360, 600, 1200])
def test_nothing_overflows(browser, width, tmp_path):
    path = tmp_path / f'{"name_without_blanks" * 10}.png'
    cv2.imwrite(str(path), np.zeros((SIZE, SIZE, 3), np.uint8))
    with screen(browser, width), opened(browser, **POOLINGS) as page:
        page.upload(path)
        page_width, room = page.run(
            'const root = document.documentElement; return [root.scrollWidth, root.clientWidth]'
        )
        assert page_width == room <= width


def test_a_slider_does_not_move_while_dragged(browser):
    """The page does not move when a request starts and when the response arrives."""
    with screen(browser, 360), opened(browser, **POOLINGS) as page:
        page.draw()
        place = 'return document.querySelector("#keep-num-input").getBoundingClientRect().top'
        while_asking = page.run(
            'const input = document.querySelector("#keep-num-input");'
            'input.dispatchEvent(new Event("input"));'
            'if (!document.body.classList.contains("busy")) throw Error("not asking");' + place
        )
        page.wait_for_answer()
        assert while_asking == page.run(place)


def test_an_error_is_visible(browser):
    with screen(browser, 360), opened(browser, **POOLINGS) as page:
        page.draw()
        page.run('document.querySelector("#pooling").scrollIntoView()')
        page.run('window.fetch = () => Promise.reject(new TypeError())')
        page.push('keep-num', 3)
        page.wait(page.find('#error').is_displayed)
        assert page.run(
            'const {top, bottom} = document.querySelector("#error").getBoundingClientRect();'
            'return top >= 0 && bottom <= innerHeight'
        )


def test_expressions_are_before_action_units(browser):
    head = dict(type='ExpressionAUHead', num_classes=7)
    with opened(browser, head=head, **POOLINGS) as page:
        page.draw()
        assert page.texts('.bar span:first-child')[2:] == [*EXPRESSIONS, *ACTION_UNITS]
        assert page.text('.face .best').split()[0] == page.text('.face h2').split()[0]


def test_valence_and_arousal_have_their_own_scale(browser):
    part = dict(type='ValenceArousalHead')
    head = dict(type='ExpressionAUHead', num_classes=7, num_units=0, valence_arousal=part)
    with opened(browser, head=head, **POOLINGS) as page:
        page.draw()
        assert page.texts('.face .bar span:first-child') == [*EXPRESSIONS, 'valence', 'arousal']
        labels = [float(text) for text in page.texts('.face .bar span:last-child')[-2:]]
        widths = page.run(
            'return [...document.querySelectorAll(".face .fill")].map((e) => e.style.width)'
        )
        for label, width in zip(labels, widths[-2:], strict=True):
            assert float(width.removesuffix('%')) == pytest.approx(50 * (label + 1), abs=0.3)
        title = page.run('return [...document.querySelectorAll(".face .mark")].at(-1).title')
        assert -1 <= float(title.removesuffix(' all kept')) <= 1
