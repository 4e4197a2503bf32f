# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Commands that are interrupted while they run."""

import signal
import sys
import time
from collections.abc import Callable, Sequence

from forked_processes import Python


def stop_when(
    reached: Callable[[], bool], command: Sequence, how: int, **options
) -> tuple[int, str]:
    """Start a command and send it the signal ``how`` as soon as ``reached()``.

    Args:
        reached: Checks the files that the command has written.
        command: ``python -W ignore SCRIPT ...``.
        how: Signal number.
        options: ``cwd`` and ``env``, as in ``subprocess``.

    Returns:
        Its exit status and its standard error.
    """
    assert command[:3] == [sys.executable, '-W', 'ignore']
    process = Python(*command[3:], **options)
    try:
        deadline = time.monotonic() + 300
        while not reached():
            assert process.is_running() and time.monotonic() < deadline
            time.sleep(0.005)
    except BaseException:
        how = signal.SIGKILL
        raise
    finally:
        process.send_signal(how)
        done = process.wait()
    return done.returncode, done.stderr
