# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Shorten lists in messages: the first items, and how many more there are."""

from collections.abc import Collection
from itertools import islice

# Enough to see what is wrong; more would hide the rest of the message.
_NAMED = 5


def short_list(names: Collection, most: int = _NAMED) -> str:
    """Return names for a sentence, quoted: ``'a', 'b', 'c', 'd', 'e', and 12 more``.

    Args:
        names (Collection): Any number of names.
        most (int): The largest number that is shown. Defaults to 5.
    """
    return ', '.join(first([*map(repr, names)], most)) or 'none'


def short_lines(lines: Collection, separator: str = '\n  ', most: int = _NAMED) -> str:
    """Return the first lines, to append to a sentence, and how many more there are.

    Args:
        lines (Collection): Any number of lines.
        separator (str): Put before each line. Defaults to a line break and two spaces.
        most (int): The largest number that is shown. Defaults to 5.
    """
    return separator + separator.join(first(lines, most)) if lines else ''


def first(items: Collection, most: int) -> list[str]:
    """Return the first items as text, and how many more there are."""
    shown = [str(item) for item in islice(items, most)]
    return [*shown, f'and {len(items) - most:,} more'] if len(items) > most else shown
