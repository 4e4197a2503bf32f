# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Command-line arguments of the tools that draw result files, each under a name."""

import argparse
from collections.abc import Sequence


def named_file(text: str) -> tuple[str, str]:
    """``NAME=FILE`` as (name, file), for argparse."""
    name, _, path = text.partition('=')
    if not (name and path):
        raise argparse.ArgumentTypeError(f'must be NAME=FILE, not {text!r}')
    return name, path


def group_by_name(files: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    """Name -> files, in the order of the command line."""
    groups = {}
    for name, path in files:
        groups.setdefault(name, []).append(path)
    return groups
