# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import gc

import pytest


@pytest.fixture(scope='session', autouse=True)
def little_garbage():
    """MMEngine collects garbage whenever a dataset is read: 0.2 s for all that imports left."""
    gc.freeze()


@pytest.fixture
def logged(monkeypatch):
    """What datasets log, as (message, level)."""
    messages = []
    monkeypatch.setattr(
        'mmfer.datasets.face_dataset.print_log',
        lambda message, logger, level: messages.append((message, level)),
    )
    return messages
