# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0


def plural(number: int, noun: str) -> str:
    """Return the form of a regular noun for messages: ``'image'`` for 1, otherwise ``'images'``."""
    return noun if number == 1 else f'{noun}s'
