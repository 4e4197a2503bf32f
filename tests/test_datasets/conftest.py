# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import pytest


@pytest.fixture
def logged(monkeypatch):
    """Log of the datasets, as (message, level)."""
    messages = []
    monkeypatch.setattr(
        'mmfer.datasets.tolerant_reading.print_log',
        lambda message, logger, level: messages.append((message, level)),
    )
    return messages


@pytest.fixture
def skipped(monkeypatch):
    """Log messages about skipped files."""
    messages = []
    monkeypatch.setattr(
        'mmfer.utils.files_below.print_log',
        lambda message, logger, level: messages.append(message),
    )
    return messages
