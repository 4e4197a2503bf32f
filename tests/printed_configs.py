# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Skip the formatting of configs: MMEngine formats each six times, half a second each time."""

from unittest import mock

from mmengine.config.config import FormatCode


def unformatted():
    """Return a context that prints configs as the same Python code, with other line breaks."""
    return mock.patch('mmengine.config.config.FormatCode', lambda text, **_: (text, True))


def formatted():
    """Return a context that prints configs as MMEngine does."""
    return mock.patch('mmengine.config.config.FormatCode', FormatCode)
