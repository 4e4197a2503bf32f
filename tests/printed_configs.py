# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""MMEngine prints the config of a run six times, and formats it for half a second each time."""

from unittest import mock

from mmengine.config.config import FormatCode


def unformatted():
    """A context in which configs are printed as the same Python with other line breaks."""
    return mock.patch('mmengine.config.config.FormatCode', lambda text, **_: (text, True))


def formatted():
    """A context in which they are printed as MMEngine does."""
    return mock.patch('mmengine.config.config.FormatCode', FormatCode)
