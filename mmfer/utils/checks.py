# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0


def check_count(name: str, value: int, least: int = 1) -> int:
    """Return ``value`` if it is an integer of at least ``least``.

    Raises:
        ValueError: It is not; says so of ``name``.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(f'{name} must be an integer >= {least}, got {value!r}')
    return value
