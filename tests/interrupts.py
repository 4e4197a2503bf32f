# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Commands that are stopped in the middle of their work."""

import signal
import subprocess
import time
from collections.abc import Callable, Sequence


def obey_interrupts() -> None:
    """A ``preexec_fn``: what a shell started in the background ignores SIGINT, tests among it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def stop_when(
    reached: Callable[[], bool], command: Sequence, how: int, **options
) -> tuple[int, str]:
    """Start a command and send it the signal ``how`` as soon as ``reached()``.

    Returns:
        Its exit status, and what it wrote on its standard error.
    """
    process = subprocess.Popen(
        [*map(str, command)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=obey_interrupts,
        **options,
    )
    try:
        deadline = time.monotonic() + 300
        while not reached():
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.005)
        process.send_signal(how)
        message = process.communicate(timeout=300)[1]
    finally:
        process.kill()
    return process.returncode, message
