# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import re

import pytest

from mmfer.reproduction.progress import Progress


def test_lines_that_stay(capsys):
    progress = Progress()
    progress.log('train [bold] ' + 80 * 'x ' + '/a/path.pth')
    (line,) = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r'\[  0:0\d\] train \[bold\] (x )+/a/path\.pth', line)


def test_no_status_line_without_a_terminal(capsys):
    with Progress() as progress:
        progress.update('Epoch(train) [1][1/2]')
    assert capsys.readouterr().out == ''


def test_the_status_line_is_removed(capsys, monkeypatch):
    monkeypatch.setenv('FORCE_COLOR', '1')  # treated as a terminal
    monkeypatch.setenv('TERM', 'xterm')
    hide, show = '\x1b[?25l', '\x1b[?25h'
    with pytest.raises(KeyboardInterrupt), Progress() as progress:
        progress.update('Epoch(train) [1][1/2]')
        progress.update('Epoch(train) [1][2/2]')
        raise KeyboardInterrupt
    out = capsys.readouterr().out
    assert 'Epoch(train) [1][1/2]' in out or 'Epoch(train) [1][2/2]' in out
    assert out.count(hide) == out.count(show) == 1  # the cursor is visible again
