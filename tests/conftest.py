# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Fixtures shared by all tests: seeds, threads, the scope and the optional real data."""

import gc
import os
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.registry import DefaultScope
from printed_configs import formatted, unformatted

# Tests run in parallel processes; more than one thread per process makes all of them slower.
torch.set_num_threads(1)

ROOT = Path(__file__).resolve().parents[1]


def pytest_collection_finish():
    """Exclude everything that was imported from garbage collection.

    MMEngine collects garbage for every dataset, which would traverse all of torch each time.
    """
    gc.collect()
    gc.freeze()


def pytest_runtest_setup(item):
    """Skip tests marked ``gpu`` if there is no GPU."""
    if item.get_closest_marker('gpu') and not torch.cuda.is_available():
        pytest.skip('no GPU: torch.cuda.is_available() is False')


@pytest.fixture(autouse=True)
def seed():
    """Start every test from the same random state."""
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def any_algorithm():
    """Undo the process-wide setting of a run with ``deterministic=True``."""
    yield
    if torch.are_deterministic_algorithms_enabled():
        torch.use_deterministic_algorithms(False)


@pytest.fixture(autouse=True)
def mmfer_scope():
    """Build everything in the scope of mmfer and restore the scope afterwards."""
    with DefaultScope.overwrite_default_scope('mmfer'):
        yield


@pytest.fixture(scope='session', autouse=True)
def unformatted_configs():
    """Save the time of formatting the configs of runs."""
    with unformatted():
        yield


@pytest.fixture
def formatted_configs():
    """Print configs as MMEngine does, for tests of their text."""
    with formatted():
        yield


@pytest.fixture(scope='session')
def repo_root():
    """The root folder of the repository."""
    return ROOT


def _folder_from_environment(variable: str) -> Path:
    value = os.environ.get(variable)
    if not value:
        pytest.skip(f'{variable} is not set')
    folder = Path(value)
    if not folder.is_dir():
        pytest.fail(f'{variable} names {folder}, which is not a folder')
    return folder


@pytest.fixture(scope='session')
def real_data():
    """Folder of small real face sets in their official layouts (``MMFER_REAL_DATA``)."""
    return _folder_from_environment('MMFER_REAL_DATA')


@pytest.fixture(scope='session')
def reference():
    """Folder of outputs of the authors' model on fixed weights (``MMFER_REFERENCE``)."""
    return _folder_from_environment('MMFER_REFERENCE')
