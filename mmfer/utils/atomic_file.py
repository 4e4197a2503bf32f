# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Write files so that at any moment either the old or the whole new one is there."""

import contextlib
import json
import os
import re
import secrets
import socket
import time
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from mmengine.fileio import LocalBackend, register_backend

from mmfer.utils.csv_text import csv_text

try:
    import fcntl
except ImportError:  # Windows, which renames and deletes no open file
    fcntl = None

_STEM = 20  # characters of a name that may be as long as the file system allows
_PART = re.compile(r'\..+\.(?P<host>[0-9a-f]{8})[0-9a-f]{8}\.part(\.\w+)?')
_HOST = f'{zlib.crc32(socket.gethostname().encode()):08x}'
_DAY = 24 * 3600
_cleared: set[Path] = set()


@contextlib.contextmanager
def replacing(path: str | Path, suffix: str = '') -> Iterator[BinaryIO]:
    """Open a hidden neighbor of ``path``, which replaces it at the end of the block.

    The neighbor (``.NAME.DIGITS.part``, same folder, hence same file system) is flushed to the
    disk before it takes the name, so neither a killed process nor a power cut leaves half a file
    under ``path``. Its name is this writer's alone: threads and processes may write one path at
    once, and the last one counts. What killed writers left in the folder is deleted before this
    process writes there for the first time (:func:`remove_parts`).

    Args:
        path (str | Path): Its folder is made if need be.
        suffix (str): What the hidden name ends with, for those who open it by its name, the
            ``name`` of the file. Defaults to nothing.

    Raises:
        OSError: The content could not be written. After any error, what was at ``path`` before is
            still there, and the neighbor is gone.
    """
    path = Path(path).absolute()
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.parent not in _cleared:
        _cleared.add(path.parent)
        remove_parts(path.parent)
    file = _open_part(path, suffix)
    try:
        yield file
        file.flush()
        os.fsync(file.fileno())
        if fcntl is None:
            file.close()
        os.replace(file.name, path)
    except BaseException:  # Ctrl-C, too
        with contextlib.suppress(OSError):  # a full disk may refuse what is left to be flushed
            file.close()
        Path(file.name).unlink(missing_ok=True)
        raise
    finally:
        file.close()
    _sync_folder(path.parent)


def _open_part(path: Path, suffix: str) -> BinaryIO:
    """Open a part that is locked as long as it is written."""
    while True:
        name = f'.{path.name[:_STEM]}.{_HOST}{secrets.token_hex(4)}.part{suffix}'
        file = open(path.with_name(name), 'xb')  # noqa: SIM115  closed by the caller
        # Between both steps another process may have found it without a lock, and deleted it.
        if _lock(file.fileno()) is not False and os.path.exists(file.name):
            return file
        file.close()


def _lock(descriptor: int) -> bool | None:
    """Lock a file; False if another process has, None where there are no locks."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def atomic_write(path: str | Path, content: bytes) -> None:
    """Write ``content`` to ``path`` as :func:`replacing` does.

    Raises:
        OSError: It could not be written; says how much, and what to do.
    """
    try:
        with replacing(path) as file:
            file.write(content)
    except OSError as error:
        raise OSError(
            error.errno,
            f'could not write {len(content) / 2**20:.1f} MiB ({error.strerror}); the files that '
            'were there before are untouched. Make room or name another folder, and run the same '
            'command again (training goes on with --resume)',
            str(path),
        ) from error


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
    """Delete what :func:`replacing` left in ``folder`` when its process was killed.

    Parts that are being written are locked, and left alone. Of locks between machines nobody can be
    sure, so those of other machines are deleted when they are a day old.

    Returns:
        The names deleted.
    """
    names = []
    with contextlib.suppress(OSError):  # a folder that may be written but not read
        names = [name for name in sorted(os.listdir(folder)) if _PART.fullmatch(name)]
    return [name for name in names if _remove_part(Path(folder, name))]


def _remove_part(part: Path) -> bool:
    try:
        own = _PART.fullmatch(part.name)['host'] == _HOST
        if not own and part.stat().st_mtime > time.time() - _DAY:
            return False
        if fcntl is not None:
            descriptor = os.open(part, os.O_RDWR)
            try:
                if not _lock(descriptor):
                    return False
                part.unlink()
            finally:
                os.close(descriptor)
        else:
            part.unlink()
    except OSError:  # somebody else was quicker, or it is open, or not ours to delete
        return False
    return True


class AtomicLocalBackend(LocalBackend):
    """MMEngine's backend for local files, with :func:`atomic_write`; registered as ``atomic``."""

    def put(self, obj: bytes, filepath: str | Path) -> None:
        atomic_write(filepath, obj)

    def put_text(self, obj: str, filepath: str | Path, encoding: str = 'utf-8') -> None:
        atomic_write(filepath, obj.encode(encoding))


register_backend('atomic', AtomicLocalBackend, force=True)
