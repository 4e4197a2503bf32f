# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""File locks for one process at a time, which end with the process that holds them."""

import contextlib
import os
import socket
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None
    import msvcrt

_SECONDS = 0.1  # between two attempts to get a lock
_FAR = 2**30  # On Windows a locked byte cannot be read, so a byte far after the text is locked.
_held: set[int] = set()


class InUseError(OSError):
    """Raised if another process holds the lock; the message names it."""


@contextlib.contextmanager
def file_lock(path: str | Path, wait: Callable[[str], None] | None = None) -> Iterator[int | None]:
    """Hold the lock of a file during the block.

    The operating system keeps the lock, so it ends with the process, even if that is killed. Forked
    processes do not hold it, in particular data loader workers: a killed training can be resumed
    while its workers are still there. The file contains the holder and is deleted with the lock.

    Note:
        NFS locks work across machines, unless it is mounted with ``nolock``. On a file system
        without locks there is a warning, and nothing is locked.

    Args:
        path (str | Path): The file. Missing folders are created.
        wait (Callable[[str], None], optional): Called once, with a description of the holder,
            before this process waits for it. Defaults to None: a lock that is held is an error.

    Yields:
        The file's descriptor, None without locks. A process that is started with a copy of it
        (``os.dup``) also holds the lock.

    Raises:
        InUseError: Another process holds the lock.
        OSError: The file cannot be written.
    """
    path = Path(path).absolute()
    path.parent.mkdir(parents=True, exist_ok=True)
    if (descriptor := _acquire(path)) is None:
        holder = _read(path)
        if wait is None:
            raise InUseError(
                f'{path.parent} is in use by {holder}, which holds {path.name} there. Wait until '
                'it ends, or use another folder'
            )
        wait(holder)
        while (descriptor := _acquire(path)) is None:
            time.sleep(_SECONDS)
    if descriptor < 0:
        yield None
        return
    process = os.getpid()
    _held.add(descriptor)
    try:
        text = f'process {process} on {socket.gethostname()}'
        with contextlib.suppress(OSError):  # a full disk
            os.ftruncate(descriptor, 0)
            os.write(descriptor, text.encode(errors='backslashreplace'))
        yield descriptor
    finally:
        if os.getpid() == process:
            _held.discard(descriptor)
            # Before the release: afterwards it may belong to another process. Windows cannot delete
            # open files.
            with contextlib.suppress(OSError):
                path.unlink()
            os.close(descriptor)


def _acquire(path: Path) -> int | None:
    """Return a descriptor with the lock; None if it is held, -1 if there are no locks."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            if fcntl is not None:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            else:
                os.lseek(descriptor, _FAR, os.SEEK_SET)
                msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
                os.lseek(descriptor, 0, os.SEEK_SET)
        except (BlockingIOError, PermissionError):
            os.close(descriptor)
            return None
        except OSError as error:
            os.close(descriptor)
            warnings.warn(
                f'the file system of {path} has no locks ({error.strerror}): make sure yourself '
                'that only one process works there',
                stacklevel=3,
            )
            return -1
        # The previous holder may have deleted the file after it was opened here.
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), os.stat(path)):
                return descriptor
        os.close(descriptor)


def _read(path: Path) -> str:
    with contextlib.suppress(OSError):
        if text := path.read_text(errors='replace'):
            return text
    return 'another process'


def _forget() -> None:
    for descriptor in _held:
        os.close(descriptor)
    _held.clear()


if hasattr(os, 'register_at_fork'):
    os.register_at_fork(after_in_child=_forget)
