# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Which image is for training, which for validation and which for testing."""

from pathlib import Path

from .by_hash import hash_of_name, split_by_name, split_by_rank, stratified_holdout
from .split_file import PARTS, read_split_file, write_split_file

#: What ``split`` of a dataset may be: ``trainval`` is the first two parts together.
SPLITS = ('train', 'val', 'trainval', 'test')

#: The part of each of CFP's 5,000 frontal images; made by tools/misc/make_cfp_split.py.
CFP_FRONTAL = Path(__file__).with_name('cfp_frontal.csv')

__all__ = [
    'CFP_FRONTAL',
    'PARTS',
    'SPLITS',
    'hash_of_name',
    'read_split_file',
    'split_by_name',
    'split_by_rank',
    'stratified_holdout',
    'write_split_file',
]
