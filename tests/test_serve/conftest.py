# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""A real, headless browser. Tests that use it are skipped if there is no browser."""

import os
import shutil

import pytest


@pytest.fixture(scope='module')
def browser():
    pytest.importorskip('starlette')
    pytest.importorskip('uvicorn')
    webdriver = pytest.importorskip('selenium.webdriver')
    binary = shutil.which('chromium') or shutil.which('google-chrome')
    driver = shutil.which('chromedriver')
    if not binary or not driver:
        pytest.skip('needs chromium and chromedriver (on Debian the package chromium-driver)')
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for argument in ('headless=new', 'disable-gpu', 'disable-dev-shm-usage'):
        options.add_argument(f'--{argument}')
    if os.geteuid() == 0:
        options.add_argument('--no-sandbox')  # the sandbox does not work for root
    options.set_capability('goog:loggingPrefs', dict(performance='ALL', browser='ALL'))
    browser = webdriver.Chrome(options, webdriver.ChromeService(driver))
    yield browser
    browser.quit()
