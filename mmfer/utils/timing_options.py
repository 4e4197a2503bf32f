# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Options that the tools for timing have in common.

Nothing slow is imported here: ``--help`` answers at once.
"""

import argparse
from collections.abc import Sequence

from .config_arguments import positive


def add_timing_options(parser: argparse.ArgumentParser, turns: int = 5) -> None:
    """How things are timed, and where the figures go.

    Args:
        parser (argparse.ArgumentParser): Gets ``--turns``, ``--clock``, ``--threads`` and
            ``--json``.
        turns (int): Default of ``--turns``. Defaults to 5.
    """
    parser.add_argument(
        '--turns', type=positive, default=turns, help='timed calls of each (default: %(default)s)'
    )
    parser.add_argument(
        '--clock',
        choices=['wall', 'cpu'],
        default='wall',
        help='cpu: seconds computed, without waiting for a core; for one thread on a busy machine '
        '(default: wall)',
    )
    parser.add_argument('--threads', type=positive, default=1, help='of the processor (default: 1)')
    parser.add_argument('--json', metavar='FILE', help='write the figures to FILE as well')


def check_names(parser: argparse.ArgumentParser, names: Sequence[str]) -> None:
    """Stop where the figures of one model would take the place of another's."""
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        parser.error(f'every model needs a name of its own, and several are called {twice[0]!r}')
