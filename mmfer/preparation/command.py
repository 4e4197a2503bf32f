# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Shared parts of the tools that prepare datasets: options, report and exit status."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # importing torch takes seconds, in which Ctrl-C should end quietly too
    from .image_writer import Report

_LISTED = 10  # number of failed images that are printed


def add_crop_options(parser: argparse._ActionsContainer) -> None:
    """Add the options for the border and the file format of crops."""
    parser.add_argument(
        '--border',
        choices=('constant', 'replicate'),
        default='constant',
        help='pixels outside of the image: black, or the nearest pixel (default: constant)',
    )
    parser.add_argument(
        '--format',
        choices=('jpg', 'png'),
        default='jpg',
        help='jpg: quality 95; png: lossless, several times larger (default: jpg)',
    )


def exit_status(work: Callable[[argparse.Namespace], int], args: argparse.Namespace) -> int:
    """Call ``work`` with the arguments, and print errors.

    Returns:
        Its exit status; 2 after an error, 130 after Ctrl-C.
    """
    try:
        return work(args)
    except (ImportError, OSError, TypeError, ValueError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print('\ninterrupted; run the same command again to continue', file=sys.stderr)
        return 130


def print_report(report: 'Report', out: Path, listed_in: str, what: str = 'crop') -> int:
    """Print the report of a run; return 1 if an image has no result, else 0."""
    counts = ', '.join(f'{count} {name}' for name, count in report.counts.items())
    print(f'{out}: {counts} ({report.reused} of them from an earlier run)')
    for failed in report.failed[:_LISTED]:
        print(f'no {what} of {": ".join(failed)}', file=sys.stderr)
    if report.failed:
        print(f'{len(report.failed)} images have no {what}, see {out / listed_in}', file=sys.stderr)
    return 1 if report.failed else 0
