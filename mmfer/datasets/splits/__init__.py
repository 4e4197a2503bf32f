# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Split images into training, validation and testing."""

from .by_hash import hash_of_name, split_by_name, split_by_rank, stratified_holdout
from .cfp_frontal import random_cfp_split, stratified_cfp_split
from .split_file import PARTS, read_split_file, write_split_file

#: Allowed values of ``split``; ``trainval`` is train and val together.
SPLITS = ('train', 'val', 'trainval', 'test')

__all__ = [
    'PARTS',
    'SPLITS',
    'hash_of_name',
    'random_cfp_split',
    'read_split_file',
    'split_by_name',
    'split_by_rank',
    'stratified_cfp_split',
    'stratified_holdout',
    'write_split_file',
]
