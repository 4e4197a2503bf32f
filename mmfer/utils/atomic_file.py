# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Write files atomically: at any moment the path holds the complete old or new content."""

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
except ImportError:  # Windows, which cannot rename or delete open files
    fcntl = None

_STEM = 20  # characters; the name itself may be as long as the file system allows
_PART = re.compile(r'\..+\.(?P<host>[0-9a-f]{8})[0-9a-f]{8}\.part(\.\w+)?')
_HOST = f'{zlib.crc32(socket.gethostname().encode()):08x}'
_DAY = 24 * 3600
_cleared: set[Path] = set()


@contextlib.contextmanager
def replacing(path: str | Path, suffix: str = '') -> Iterator[BinaryIO]:
    """Open a hidden temporary file, which replaces ``path`` at the end of the block.

    The temporary file (``.NAME.DIGITS.part``) is in the same folder and so on the same file system.
    It is flushed to disk before it is renamed, so that neither a killed process nor a power cut
    leaves half a file at ``path``. Its name is unique: several threads and processes may write the
    same path at once, and the last one wins. Before this process first writes to a folder, the
    temporary files of killed writers are deleted there (:func:`remove_parts`).

    Args:
        path (str | Path): The file. Missing folders are created.
        suffix (str): Extension of the temporary name, for code that opens the file by its ``name``.
            Defaults to ``''``.

    Raises:
        OSError: The content could not be written. After any error, ``path`` is unchanged and the
            temporary file is deleted.
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
    except BaseException:  # also Ctrl-C
        with contextlib.suppress(OSError):  # flushing fails again on a full disk
            file.close()
        Path(file.name).unlink(missing_ok=True)
        raise
    finally:
        file.close()
    _sync_folder(path.parent)


def _open_part(path: Path, suffix: str) -> BinaryIO:
    """Open a temporary file that stays locked while it is written."""
    while True:
        name = f'.{path.name[:_STEM]}.{_HOST}{secrets.token_hex(4)}.part{suffix}'
        file = open(path.with_name(name), 'xb')  # noqa: SIM115  closed by the caller
        # Another process may have deleted it before it was locked.
        if _lock(file.fileno()) is not False and os.path.exists(file.name):
            return file
        file.close()


def _lock(descriptor: int) -> bool | None:
    """Lock a file; False if another process holds the lock, None if there are no locks."""
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
    """Write ``content`` to ``path`` by :func:`replacing`.

    Raises:
        OSError: The file could not be written. The message has its size and what to do.
    """
    try:
        with replacing(path) as file:
            file.write(content)
    except OSError as error:
        raise OSError(
            error.errno,
            f'could not write {len(content) / 2**20:.1f} MiB ({error.strerror}); existing files '
            'are unchanged. Make room or use another folder, and run the same command again '
            '(training resumes with --resume)',
            str(path),
        ) from error


def atomic_write_text(path: str | Path, text: str) -> None:
    """Write text as UTF-8 by :func:`atomic_write`.

    File names may contain bytes that are not text; these are written as ``\\udcXX``.
    """
    atomic_write(path, text.encode(errors='backslashreplace'))


def atomic_write_csv(path: str | Path, rows: Iterable[Iterable], comment: str = '') -> None:
    """Write rows by :func:`.csv_text`, after the lines of ``comment``, each with a ``#``."""
    comments = ''.join(f'# {line}\n' for line in comment.splitlines())
    atomic_write_text(path, comments + csv_text(rows))


def atomic_write_json(path: str | Path, content: Any) -> None:
    """Write plain values as JSON by :func:`atomic_write`."""
    atomic_write(path, json.dumps(content, indent=2).encode())


def _sync_folder(folder: Path) -> None:
    """Make the new name survive a power cut; skipped on Windows, which cannot open folders."""
    if os.name != 'posix':
        return
    # Fails on some network file systems and for unreadable folders; the content is safe anyway.
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def remove_parts(folder: str | Path) -> list[str]:
    """Delete temporary files that :func:`replacing` left in ``folder`` in killed processes.

    Files that are being written are locked and stay. Locks between machines are not reliable, so
    files of other machines are only deleted when they are a day old.

    Returns:
        The deleted names.
    """
    names = []
    with contextlib.suppress(OSError):  # a folder that can be written but not read
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
    except OSError:  # already deleted, still open, or no permission
        return False
    return True


class AtomicLocalBackend(LocalBackend):
    """MMEngine's local backend with :func:`atomic_write`; registered as ``atomic``."""

    def put(self, obj: bytes, filepath: str | Path) -> None:
        atomic_write(filepath, obj)

    def put_text(self, obj: str, filepath: str | Path, encoding: str = 'utf-8') -> None:
        atomic_write(filepath, obj.encode(encoding))


register_backend('atomic', AtomicLocalBackend, force=True)
