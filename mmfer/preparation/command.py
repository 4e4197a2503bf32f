# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""How the tools that prepare datasets end: what they print, and with which exit status."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # imports torch, for seconds in which an interrupt is to end quietly, too
    from .image_writer import Report

_LISTED = 10  # images without a result that are named on the screen


def exit_status(work: Callable[[], int]) -> int:
    """Call ``work`` and return its exit status, 2 after an error or 130 after an interrupt."""
    try:
        return work()
    except (ImportError, OSError, TypeError, ValueError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print('\ninterrupted; the same command resumes from here', file=sys.stderr)
        return 130


def print_report(report: 'Report', out: Path, listed_in: str) -> int:
    """Print what came of a run; return 1 where an image is missing, else 0."""
    counts = ', '.join(f'{count} {name}' for name, count in report.counts.items())
    print(f'{out}: {counts} ({report.reused} of them from an earlier run)')
    for failed in report.failed[:_LISTED]:
        print(f'no crop of {": ".join(failed)}', file=sys.stderr)
    if report.failed:
        print(f'{len(report.failed)} faces have no crop, see {out / listed_in}', file=sys.stderr)
    return 1 if report.failed else 0
