# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Names of files that were read somewhere, and are to stay in the folder that is written."""

import os
import re
from pathlib import Path

_DRIVE = re.compile(r'[A-Za-z]:[/\\]')


def check_name(name: str | Path, source: str | Path) -> None:
    """Refuse a name by which a file would be written outside of whatever folder it is put into.

    Names are judged as Windows and other systems read them, so that a list is good or bad
    everywhere.

    Args:
        name (str | Path): A path.
        source (str | Path): What gave the name, for the error; a file with its line where that is
            known.

    Raises:
        ValueError: The name is empty, absolute or has a drive, or leads up by ``..``.
    """
    text = os.fspath(name)
    parts = re.split(r'[/\\]', text)
    if not text.strip() or '\0' in text:
        raise _outside(text, source, 'it is no name')
    if not parts[0] or _DRIVE.match(text) or Path(text).drive:
        raise _outside(text, source, 'it is absolute')
    if any(part.strip() == '..' for part in parts):
        raise _outside(text, source, "it has '..'")


def path_inside(folder: str | Path, name: str | Path, source: str | Path) -> Path:
    """Where a file goes: in the folder, whatever its name says. Nothing is made or touched.

    All that writes files by names from lists, tables and datasets asks here.

    Args:
        folder (str | Path): Where files are written.
        name (str | Path): A path relative to it.
        source (str | Path): See :func:`check_name`.

    Raises:
        ValueError: See :func:`check_name`; or a link inside of the folder leads out of it.
    """
    check_name(name, source)
    path = Path(folder, name)
    place, root = os.path.realpath(path.parent), os.path.realpath(folder)
    if os.path.commonpath([place, root]) != root:
        raise _outside(os.fspath(name), source, f"a link in '{folder}' leads to '{place}'")
    return path


def _outside(name: str, source: str | Path, reason: str) -> ValueError:
    return ValueError(
        f'{source} names {name!r}, which would be written outside of the target folder: {reason}. '
        'Names are to be paths relative to the folder, and inside of it'
    )
