# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Images of a list that an alignment skipped because it found no face in them."""

from pathlib import Path, PureWindowsPath

from mmfer.utils.text_file import read_text

from .found_faces import SKIPPED, read_report

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
    lines = [line.strip() for line in read_text(path).split('\n')]
    lines = [line for line in lines if line and not line.startswith('#')]
    if not lines or ',' not in lines[0]:
        return [_stem(line) for line in lines]
    return [_stem(row['path']) for row in read_report(path) if row['decision'] in SKIPPED]


def _stem(name: str) -> str:
    # Windows' rules also parse POSIX paths.
    return PureWindowsPath(name).stem
