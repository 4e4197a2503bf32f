# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Shared options of the timing tools. Nothing slow is imported, so that ``--help`` is quick."""

import argparse
from collections.abc import Sequence

from .config_arguments import positive


def add_timing_options(parser: argparse.ArgumentParser, turns: int = 5) -> None:
    """Add ``--turns``, ``--clock``, ``--threads`` and ``--json``.

    Args:
        parser (argparse.ArgumentParser): The parser.
        turns (int): Default of ``--turns``. Defaults to 5.
    """
    parser.add_argument(
        '--turns',
        type=positive,
        default=turns,
        help='number of timed calls of each (default: %(default)s)',
    )
    parser.add_argument(
        '--clock',
        choices=['wall', 'cpu'],
        default='wall',
        help='cpu: CPU time, without waiting for a core; for one thread on a busy machine '
        '(default: wall)',
    )
    parser.add_argument(
        '--threads', type=positive, default=1, help='number of CPU threads (default: 1)'
    )
    parser.add_argument('--json', metavar='FILE', help='also write the results to FILE')


def check_names(parser: argparse.ArgumentParser, names: Sequence[str]) -> None:
    """Exit with an error if two models have the same name: their results would be mixed up."""
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        parser.error(f'every model needs its own name, but several are called {twice[0]!r}')
