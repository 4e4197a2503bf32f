# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import time

from rich.console import Console
from rich.text import Text


class Progress:
    """Progress display: a line per stage and, on a terminal, a status line below.

    It is a context manager that removes the status line at the end.
    """

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
        self._status = self._console.status('')

    def __enter__(self) -> 'Progress':
        return self

    def __exit__(self, *error) -> None:
        self._status.stop()

    def log(self, text: str) -> None:
        """Print a permanent line, prefixed with the time since the start."""
        self._status.stop()
        minutes, seconds = divmod(int(time.monotonic() - self._started), 60)
        self._console.print(f'[{minutes:3d}:{seconds:02d}] {text}')

    def update(self, text: str) -> None:
        """Show a status line that replaces the previous one; no effect without a terminal."""
        if self._console.is_terminal:
            self._status.update(Text(text, no_wrap=True, overflow='ellipsis'))
            self._status.start()
