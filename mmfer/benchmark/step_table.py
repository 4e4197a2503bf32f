# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Run commands in sequence, within a time limit, and write a table of their results."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from mmfer.utils.atomic_file import atomic_write_text
from mmfer.utils.markdown import markdown_table

_HEADING = ('step', 'result', 'seconds', 'status')


class StepTable:
    """A runner of commands that rewrites ``table.md`` after each command.

    Args:
        folder (Path): Folder for the table, and for the output of each command, ``<NAME>.log``.
        title (str): First line of the table.
        seconds (float): Time limit for all commands together.
        root (Path): Folder of the ``mmfer`` package that commands import.
    """

    def __init__(self, folder: Path, title: str, seconds: float, root: Path):
        self.folder, self.title, self._root = folder, title, root
        self._end = time.monotonic() + seconds
        self._rows: list[tuple[str, ...]] = []

    @property
    def left(self) -> float:
        """Remaining time in seconds."""
        return self._end - time.monotonic()

    @property
    def failed(self) -> bool:
        """Whether any step failed."""
        return any(row[-1].startswith('FAILED') for row in self._rows)

    def run(self, name: str, command: Sequence, limit: float, read: Callable[[str], str]) -> bool:
        """Run a command and add its row. An error becomes the status of the row.

        Args:
            name (str): Name of the step.
            command (Sequence): Program and arguments, which are converted to strings.
            limit (float): Time limit in seconds, or the remaining time if that is shorter. After
                it, all processes of the command are killed, and the result is read from the output
                so far.
            read (Callable[[str], str]): Function from the output to the result. If it raises
                ValueError, LookupError or OSError, there is no result.

        Returns:
            Whether the command succeeded and had a result.
        """
        begin, result = time.monotonic(), ''
        no_result = (ValueError, LookupError, OSError)
        log = self.folder / f'{re.sub("[^a-z0-9]+", "-", name.lower())}.log'
        try:
            self._call([str(word) for word in command], log, min(limit, self.left))
            result, status = read(log.read_text(errors='replace')), 'done'
        except subprocess.TimeoutExpired as error:
            status = f'FAILED: stopped after {max(error.timeout, 0):.0f} s'
            with contextlib.suppress(*no_result):
                result = read(log.read_text(errors='replace'))
        except subprocess.CalledProcessError as error:
            status = f'FAILED: exit status {error.returncode}, see {log.name}'
        except no_result as error:
            status = f'FAILED: no result ({type(error).__name__}: {error})'
        self.add(name, result, status, time.monotonic() - begin)
        return status == 'done'

    def add(self, name: str, result: str, status: str, seconds: float = 0) -> None:
        """Add a row, e.g., of a skipped step."""
        cells = (name, result, f'{seconds:.0f}', status)
        self._rows.append(tuple(cell.replace('|', '/').replace('\n', ' ') for cell in cells))
        print(' | '.join(self._rows[-1]), flush=True)
        atomic_write_text(self.folder / 'table.md', str(self))

    def __str__(self) -> str:
        return f'{self.title}\n\n{markdown_table([_HEADING, *self._rows])}'

    def _call(self, command: list[str], log: Path, seconds: float) -> None:
        if seconds <= 0:
            raise subprocess.TimeoutExpired(command, seconds)
        paths = dict(PYTHONPATH=str(self._root), PATH=str(Path(sys.executable).parent))
        environment = dict(os.environ, PYTHONUNBUFFERED='1')
        for variable, first in paths.items():
            rest = os.environ.get(variable)
            environment[variable] = f'{first}{os.pathsep}{rest}' if rest else first
        with open(log, 'wb') as file:
            process = subprocess.Popen(
                command,
                stdout=file,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
            )
            try:
                code = process.wait(seconds)
            finally:
                if process.poll() is None:  # also kills workers and processes of torchrun
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
        if code:
            raise subprocess.CalledProcessError(code, command)
