# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0


def check_count(name: str, value: int, least: int = 1) -> int:
    """Return ``value`` if it is an integer of at least ``least``.

    Args:
        name (str): Name of the argument, for the error message.
        value (int): The value.
        least (int): The smallest allowed value. Defaults to 1.

    Raises:
        ValueError: It is not.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(f'{name} must be an integer >= {least}, got {value!r}')
    return value
