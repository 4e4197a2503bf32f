# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""What the tools that export have in common on the command line.

Nothing slow is imported here: ``--help`` answers at once.
"""

import argparse
import sys
from collections.abc import Callable

from mmfer.utils.config_arguments import add_config_options
from mmfer.utils.timing_options import positive


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """Which model, for images of which size."""
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', nargs='?', help='checkpoint of the model')
    parser.add_argument(
        '--size',
        type=int,
        nargs='+',
        metavar='PIXELS',
        help='height and width, or one number for both (default: what the model or the test '
        'pipeline says, else 224)',
    )
    parser.add_argument('--threads', type=positive, default=1, help='of either side (default: 1)')
    add_config_options(parser)


def check_model_options(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """Stop with what is allowed where a value is out of its range."""
    if args.size and (len(args.size) > 2 or min(args.size) < 1):
        parser.error(f'--size takes one or two positive numbers, got {args.size}')


def add_export_options(parser: argparse.ArgumentParser, suffix: str) -> None:
    """What to export, where to, and how it is compared with PyTorch."""
    add_model_options(parser)
    parser.add_argument('--out', required=True, metavar='FILE', help=f'file to write, NAME{suffix}')
    parser.add_argument(
        '--with-preprocessing',
        action='store_true',
        help='take uint8 pictures in BGR and normalise them inside',
    )
    parser.add_argument('--verify', action='store_true', help='compare with PyTorch')
    parser.add_argument(
        '--tolerance',
        type=float,
        default=1e-4,
        metavar='X',
        help='largest difference, as a share of the largest value of an output or of 1, whichever '
        'is more (default: %(default)s)',
    )
    parser.add_argument(
        '--num',
        type=positive,
        default=14,
        metavar='N',
        help='pictures of the test set to compare on (default: %(default)s)',
    )
    parser.add_argument(
        '--licence',
        metavar='SPDX',
        default='unspecified',
        help='of the weights, such as CC-BY-NC-4.0; mind the terms of the data they were trained '
        'on (default: %(default)s)',
    )


def check_export_options(
    parser: argparse.ArgumentParser, args: argparse.Namespace, suffix: str
) -> None:
    """Stop with what is allowed where a value is out of its range."""
    if not args.out.endswith(suffix):
        parser.error(f'--out is NAME{suffix}, got {args.out}')
    check_model_options(parser, args)
    if not args.tolerance >= 0:
        parser.error(f'--tolerance is at least 0, got {args.tolerance}')


def exit_status(work: Callable[[], None]) -> int:
    """Do the work of a tool, and print what was wrong.

    Returns:
        0 when it was done; 2 when there is no such file or setting; 1 after another error.
    """
    from mmfer.checkpoint.safe_load import CheckpointError
    from mmfer.utils.config_options import UnknownOptionError

    from .model import ExportError

    try:
        work()
    except (FileNotFoundError, UnknownOptionError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 2
    except (CheckpointError, ExportError, OSError, ValueError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    return 0
