# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import pytest


@pytest.fixture
def logged(monkeypatch):
    """What datasets log, as (message, level)."""
    messages = []
    monkeypatch.setattr(
        'mmfer.datasets.tolerant_reading.print_log',
        lambda message, logger, level: messages.append((message, level)),
    )
    return messages


@pytest.fixture
def left_out(monkeypatch):
    """What the log says of files that are left out."""
    messages = []
    monkeypatch.setattr(
        'mmfer.utils.files_below.print_log',
        lambda message, logger, level: messages.append(message),
    )
    return messages
