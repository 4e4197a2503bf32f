# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Images of a list that an alignment skipped because it found no face in them."""

import csv
import io
from pathlib import Path, PureWindowsPath

from mmfer.utils.csv_text import plain_cell
from mmfer.utils.text_file import read_text

from .found_faces import SKIPPED

#: Report that ``align_faces.py`` writes next to its crops.
ALIGNMENT_REPORT = 'alignment.csv'


def read_skip_list(path: str | Path) -> list[str]:
    """Return the names of the images to skip, without folder and extension.

    Args:
        path (str | Path): A text file with one name per line (lines that start with ``#`` are
            ignored), or the report of ``align_faces.py``, of which the ``refused`` and
            ``unreadable`` images are returned.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: The file is not text, or is a table but not such a report.
    """
    text = read_text(path)
    header = text.partition('\n')[0].split(',')
    if len(header) == 1:
        lines = [line.strip() for line in text.split('\n')]
        return [_stem(line) for line in lines if line and not line.startswith('#')]
    rows = csv.DictReader(io.StringIO(text, newline=''))
    missing = {'path', 'decision'}.difference(rows.fieldnames or ())
    if missing:
        raise ValueError(
            f"'{path}' is neither a list with one name per line nor a report of align_faces.py: "
            f'it has no column {min(missing)!r}'
        )
    skipped = (row['path'] for row in rows if row['decision'] in SKIPPED)
    return [_stem(plain_cell(path)) for path in skipped]


def _stem(name: str) -> str:
    # Windows' rules also parse POSIX paths.
    return PureWindowsPath(name).stem
