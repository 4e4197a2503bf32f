# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Lists of any length in messages: the first ones, and how many more there are."""

from collections.abc import Collection
from itertools import islice

# So many are enough to see what is wrong, more would hide the rest of the message.
_NAMED = 5


def short_list(names: Collection, most: int = _NAMED) -> str:
    """Names in a sentence, quoted: ``'a', 'b', 'c', 'd', 'e' and 12 more``.

    Args:
        names (Collection): Any number of them.
        most (int): So many are shown. Defaults to 5.
    """
    return ', '.join(_first([*map(repr, names)], most)) or 'none'


def short_lines(lines: Collection, separator: str = '\n  ', most: int = _NAMED) -> str:
    """Some lines below a sentence, by default 5, and how many more there are."""
    return separator + separator.join(_first(lines, most)) if lines else ''


def _first(items: Collection, most: int) -> list[str]:
    shown = [str(item) for item in islice(items, most)]
    return [*shown, f'and {len(items) - most:,} more'] if len(items) > most else shown
