# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Find leaks, duplicates, broken and odd images in the splits of a dataset."""

from .audit import audit
from .duplicates import KINDS
from .findings import Audit, Entry, Group, Pair
from .images import AuditImage, Split, merge_equal, split_of_folder, splits_of_config
from .report import to_text, write_report

__all__ = [
    'KINDS',
    'Audit',
    'Entry',
    'Group',
    'Pair',
    'AuditImage',
    'Split',
    'audit',
    'merge_equal',
    'split_of_folder',
    'splits_of_config',
    'to_text',
    'write_report',
]
