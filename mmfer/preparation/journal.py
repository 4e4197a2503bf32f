# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Journal of finished items, so that an interrupted conversion can resume."""

import hashlib
import json
from pathlib import Path

from mmfer.utils.atomic_file import atomic_write

JOURNAL = '.journal.jsonl'


class SettingsError(ValueError):
    """Raised if the target folder has results with other settings."""


class Journal:
    """File with one JSON object per line: the settings, then each finished item.

    Args:
        folder (str | Path): The folder of the results; its file :data:`JOURNAL` is the journal. An
            existing journal is read and rewritten without an incomplete last line, which a killed
            process may leave.
        settings (dict): Settings of the conversion, plain values.

    Raises:
        SettingsError: The existing journal has other settings.
    """

    def __init__(self, folder: str | Path, settings: dict):
        self.path = Path(folder) / JOURNAL
        settings = json.loads(json.dumps(settings))  # as read from a file: tuples become lists
        first, *entries = _read_lines(self.path) or [dict(settings=settings)]
        if first['settings'] != settings:
            raise SettingsError(
                f"'{folder}' has results with other settings. Use another folder, or delete this "
                f'one.\n{_differences(first["settings"], settings)}'
            )
        self._entries = {entry['target']: entry for entry in entries}
        lines = [json.dumps(line) for line in (first, *self._entries.values())]
        atomic_write(self.path, ''.join(f'{line}\n' for line in lines).encode())

    def find(self, target: str, fingerprint: str) -> dict | None:
        """Return the result of an item that was finished with the same source; else None."""
        entry = self._entries.get(target)
        return entry['result'] if entry and entry['fingerprint'] == fingerprint else None

    def __enter__(self):
        self._file = open(self.path, 'a', encoding='utf-8')
        return self

    def __exit__(self, *_):
        self._file.close()

    def add(self, target: str, fingerprint: str, result: dict) -> None:
        """Store that an item is finished; :meth:`find` will return ``result``."""
        entry = dict(target=target, fingerprint=fingerprint, result=result)
        self._file.write(json.dumps(entry) + '\n')
        self._file.flush()  # survives if the process is killed


def fingerprint(path: str | Path, labels: dict | None = None) -> str:
    """Return a hash of a file's name, size and modification time, and of the labels.

    Args:
        path (str | Path): A file; a missing file also has a fingerprint.
        labels (dict, optional): Plain values. Defaults to None.
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
