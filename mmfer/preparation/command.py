# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""What the tools that prepare datasets have in common: options, and how they end."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # imports torch, for seconds in which an interrupt is to end quietly, too
    from .image_writer import Report

_LISTED = 10  # images without a result that are named on the screen


def add_crop_options(parser: argparse._ActionsContainer) -> None:
    """Add what crops look like and how they are stored."""
    parser.add_argument(
        '--border',
        choices=('constant', 'replicate'),
        default='constant',
        help='what lies outside the image: black, or the nearest pixel (default: constant)',
    )
    parser.add_argument(
        '--format',
        choices=('jpg', 'png'),
        default='jpg',
        help='jpg: quality 95; png: lossless, several times as large (default: jpg)',
    )


def exit_status(work: Callable[[argparse.Namespace], int], args: argparse.Namespace) -> int:
    """Call ``work`` with the arguments.

    Returns:
        Its exit status, 2 after an error or 130 after an interrupt.
    """
    try:
        return work(args)
    except (ImportError, OSError, TypeError, ValueError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print('\ninterrupted; the same command resumes from here', file=sys.stderr)
        return 130


def print_report(report: 'Report', out: Path, listed_in: str, what: str = 'crop') -> int:
    """Print what came of a run; return 1 where something of an image is missing, else 0."""
    counts = ', '.join(f'{count} {name}' for name, count in report.counts.items())
    print(f'{out}: {counts} ({report.reused} of them from an earlier run)')
    for failed in report.failed[:_LISTED]:
        print(f'no {what} of {": ".join(failed)}', file=sys.stderr)
    if report.failed:
        print(
            f'{len(report.failed)} of them have no {what}, see {out / listed_in}', file=sys.stderr
        )
    return 1 if report.failed else 0
