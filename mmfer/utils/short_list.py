# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from collections.abc import Collection
from itertools import islice

# So many names are enough to see what is wrong, more would hide the rest of the message.
_NAMED = 5


def short_list(items: Collection, separator: str = ', ') -> str:
    """The first five of some names for a message, and how many more there are.

    Args:
        items: Names of files, classes, …; any number.
        separator: Between them, such as a new line. Default: a comma.
    """
    more = len(items) - _NAMED
    named = [str(item) for item in islice(items, _NAMED)]
    return separator.join([*named, f'and {more:,} more'] if more > 0 else named)
