# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Write files so that at any moment either the old or the whole new one is there."""

import contextlib
import json
import os
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mmengine.fileio import LocalBackend, register_backend

from .csv_text import csv_text

_PART = '.part'
_STEM = 20  # characters of a name that may be as long as the file system allows


def atomic_write(path: str | Path, content: bytes) -> None:
    """Write ``content`` to ``path`` through a hidden neighbour that replaces it at the end.

    The neighbour (``.NAME.DIGITS.part``, same folder, hence same file system) is flushed to the
    disk before it takes the name, so neither a killed process nor a power cut leaves half a file
    under ``path``. Threads and processes may write one path at once: the last one counts.

    Raises:
        OSError: The content could not be written. What was at ``path`` before is still there, and
            the half-written neighbour is gone.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f'.{path.name[:_STEM]}.{secrets.token_hex(8)}{_PART}')
    try:
        try:
            with open(part, 'wb') as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(part, path)
        except BaseException:  # Ctrl-C, too
            part.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise OSError(
            error.errno,
            f'could not write {len(content) / 2**20:.1f} MiB ({error.strerror}); the files that '
            'were there before are untouched. Make room or name another folder, and run the same '
            'command again (training goes on with --resume)',
            str(path),
        ) from error
    _sync_folder(path.parent)


def atomic_write_text(path: str | Path, text: str) -> None:
    """:func:`atomic_write` of UTF-8. Names of files need not be text: their bytes that are none are
    written as ``\\udcXX``.
    """
    atomic_write(path, text.encode(errors='backslashreplace'))


def atomic_write_csv(path: str | Path, rows: Iterable[Iterable], comment: str = '') -> None:
    """:func:`atomic_write_text` of :func:`.csv_text`, below the lines of ``comment``, each behind
    a #.
    """
    comments = ''.join(f'# {line}\n' for line in comment.splitlines())
    atomic_write_text(path, comments + csv_text(rows))


def atomic_write_json(path: str | Path, content: Any) -> None:
    """:func:`atomic_write` of plain values, as JSON."""
    atomic_write(path, json.dumps(content, indent=2).encode())


def _sync_folder(folder: Path) -> None:
    """Make the new name itself survive a power cut, where folders can be opened (not Windows)."""
    if os.name != 'posix':
        return
    # Some network file systems refuse, and folders that may not be read; the content is safe.
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def remove_parts(folder: str | Path) -> list[str]:
    """Delete what :func:`atomic_write` left in ``folder`` when its process was killed.

    Returns:
        The names deleted. Call it before writing starts, in one process only.
    """
    names = []
    for part in sorted(Path(folder).glob(f'.*{_PART}')):
        part.unlink(missing_ok=True)
        names.append(part.name)
    return names


class AtomicLocalBackend(LocalBackend):
    """MMEngine's backend for local files, with :func:`atomic_write`; registered as ``atomic``."""

    def put(self, obj: bytes, filepath: str | Path) -> None:
        atomic_write(filepath, obj)

    def put_text(self, obj: str, filepath: str | Path, encoding: str = 'utf-8') -> None:
        atomic_write(filepath, obj.encode(encoding))


register_backend('atomic', AtomicLocalBackend, force=True)
