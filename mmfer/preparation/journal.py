# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""What a long conversion has done so far, so that it goes on there after it was stopped."""

import hashlib
import json
from pathlib import Path

from mmfer.utils.atomic_file import atomic_write

JOURNAL = '.journal.jsonl'


class SettingsError(ValueError):
    """The target folder holds results that were made with other settings."""


class Journal:
    """One JSON object a line: the settings, then each item when it is finished.

    Args:
        folder (str | Path): Where results go; the journal is its :data:`JOURNAL`. What is there is
            read now, and written anew without a last line that a killed process left half written.
        settings (dict): Of the conversion, plain values.

    Raises:
        SettingsError: The journal there is one of other settings.
    """

    def __init__(self, folder: str | Path, settings: dict):
        self.path = Path(folder) / JOURNAL
        settings = json.loads(json.dumps(settings))  # as read again: tuples are lists
        first, *entries = _read_lines(self.path) or [dict(settings=settings)]
        if first['settings'] != settings:
            raise SettingsError(
                f"'{folder}' holds results made with other settings. Name another folder, or "
                f'remove this one.\n{_differences(first["settings"], settings)}'
            )
        self._entries = {entry['target']: entry for entry in entries}
        lines = [json.dumps(line) for line in (first, *self._entries.values())]
        atomic_write(self.path, ''.join(f'{line}\n' for line in lines).encode())

    def find(self, target: str, fingerprint: str) -> dict | None:
        """Result of an item that an earlier run has finished, of the same source; else None."""
        entry = self._entries.get(target)
        return entry['result'] if entry and entry['fingerprint'] == fingerprint else None

    def __enter__(self):
        self._file = open(self.path, 'a', encoding='utf-8')
        return self

    def __exit__(self, *_):
        self._file.close()

    def add(self, target: str, fingerprint: str, result: dict) -> None:
        """Note that an item is finished; ``result`` is what :meth:`find` will return."""
        entry = dict(target=target, fingerprint=fingerprint, result=result)
        self._file.write(json.dumps(entry) + '\n')
        self._file.flush()  # what a killed process has handed to the system is kept


def fingerprint(path: str | Path, labels: dict | None = None) -> str:
    """Changes with the file's name, size and time of writing, and with each of the labels.

    Args:
        path (str | Path): A file; one that is missing has a fingerprint, too.
        labels (dict, optional): Plain values. Defaults to none.
    """
    path = Path(path)
    stat = path.stat() if path.exists() else None
    made_of = [path.name, *((stat.st_size, stat.st_mtime_ns) if stat else ()), labels or {}]
    return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()[:16]


def _differences(before: dict, now: dict) -> str:
    names = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    return '\n'.join(f'  {name}: {before.get(name)}, now {now.get(name)}' for name in names)


def _read_lines(path: Path) -> list[dict]:
    if not path.is_file():
        return []
    lines = path.read_text(encoding='utf-8').splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith('\n')]
