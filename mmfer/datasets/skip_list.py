# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Which images of a list an alignment left out, because it found no face in them."""

import csv
import io
from pathlib import Path, PureWindowsPath

from mmfer.utils.csv_text import plain_cell
from mmfer.utils.text_file import read_text

from .found_faces import LEFT_OUT

#: What ``align_faces.py`` writes beside its crops.
ALIGNMENT_REPORT = 'alignment.csv'


def read_skip_list(path: str | Path) -> list[str]:
    """Names of the images to leave out, without folder and extension.

    Args:
        path (str | Path): A text file with a name a line (lines that begin with ``#`` are ignored),
            or the report of ``align_faces.py``, whose images that were ``refused`` or
            ``unreadable`` are meant.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is no text, or a table that is no such report.
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
            f"'{path}' is neither a list with a name a line nor a report of align_faces.py: it has "
            f'no column {min(missing)!r}'
        )
    left_out = (row['path'] for row in rows if row['decision'] in LEFT_OUT)
    return [_stem(plain_cell(path)) for path in left_out]


def _stem(name: str) -> str:
    # Windows' rules read the paths of both worlds.
    return PureWindowsPath(name).stem
