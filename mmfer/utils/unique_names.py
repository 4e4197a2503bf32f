# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import unicodedata
from collections import Counter


class UniqueNames:
    """Generates unique names for output files.

    The names also differ on file systems that treat ``A.jpg`` and ``a.jpg``, or two spellings of
    ``ä``, as the same.

    Args:
        separator (str): Separator between a name and a number. Defaults to ``'_'``.
        first (int): The number for the second file with the same name. Defaults to 2.
    """

    def __init__(self, separator: str = '_', first: int = 2):
        self.separator = separator
        self.first = first
        self._taken: set[str] = set()
        self._counts: Counter[str] = Counter()

    def __call__(self, stem: str, suffix: str) -> str:
        """Return ``stem`` + ``suffix``, with a number between them if that name is taken."""
        name, plain = f'{stem}{suffix}', _folded(f'{stem}{suffix}')
        while _folded(name) in self._taken:
            name = f'{stem}{self.separator}{self.first + self._counts[plain]}{suffix}'
            self._counts[plain] += 1
        self._taken.add(_folded(name))
        return name


def _folded(name: str) -> str:
    return unicodedata.normalize('NFC', name).casefold()
