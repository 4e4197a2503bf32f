# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Check file names from lists and datasets, so that files are written only inside a folder."""

import os
import re
from pathlib import Path

_DRIVE = re.compile(r'[A-Za-z]:[/\\]')


def check_name(name: str | Path, source: str | Path) -> None:
    """Check that a file name cannot lead outside of the folder that it is relative to.

    The rules of Windows and of other systems both apply, so that a list is valid everywhere or
    nowhere.

    Args:
        name (str | Path): A path.
        source (str | Path): The origin of the name, for the error message; a file with its line if
            known.

    Raises:
        ValueError: The name is empty, absolute, has a drive, or has ``..``.
    """
    text = os.fspath(name)
    parts = re.split(r'[/\\]', text)
    if not text.strip() or '\0' in text:
        raise _outside(text, source, 'it is not a name')
    if not parts[0] or _DRIVE.match(text) or Path(text).drive:
        raise _outside(text, source, 'it is absolute')
    if any(part.strip() == '..' for part in parts):
        raise _outside(text, source, "it has '..'")


def path_inside(folder: str | Path, name: str | Path, source: str | Path) -> Path:
    """Return the path of a file in a folder, and check that it is inside. Nothing is created.

    All code that writes files by names from lists, tables and datasets uses this function.

    Args:
        folder (str | Path): The target folder.
        name (str | Path): A path relative to it.
        source (str | Path): See :func:`check_name`.

    Raises:
        ValueError: See :func:`check_name`; or a link inside the folder leads out of it.
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
        'Names must be relative paths inside the folder'
    )
