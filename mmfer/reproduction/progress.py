# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import sys
import time


class Progress:
    """Tells a person what is going on: a line per stage, and a changing one on a terminal."""

    def __init__(self) -> None:
        self.started = time.monotonic()
        self._shown = False

    def say(self, text: str) -> None:
        """A line that stays, after the time since the start."""
        self._wipe()
        minutes, seconds = divmod(int(time.monotonic() - self.started), 60)
        print(f'[{minutes:3d}:{seconds:02d}] {text}', flush=True)

    def tell(self, text: str) -> None:
        """A line that the next one replaces; nothing where the output is no terminal."""
        if sys.stdout.isatty():
            self._wipe()
            print(f'        {text[:90]}', end='', flush=True)
            self._shown = True

    def _wipe(self) -> None:
        if self._shown:
            print('\r\033[K', end='')
            self._shown = False
