# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Look for leaks, duplicates, broken and odd pictures in the splits of a dataset."""

from .audit import Audit, Group, audit
from .duplicates import KINDS, Link
from .pictures import Picture, Split, merge_equal, split_of_folder, splits_of_config
from .report import write_report
from .sections import sections_of, to_text

__all__ = [
    'KINDS',
    'Audit',
    'Group',
    'Link',
    'Picture',
    'Split',
    'audit',
    'merge_equal',
    'sections_of',
    'split_of_folder',
    'splits_of_config',
    'to_text',
    'write_report',
]
