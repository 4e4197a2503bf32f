# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import signal


def obey_interrupts() -> None:
    """A ``preexec_fn``: what a shell started in the background ignores SIGINT, tests among it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
