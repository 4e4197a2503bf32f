# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""What the tools that export have in common on the command line.

Nothing slow is imported here: ``--help`` answers at once.
"""

import argparse
import sys
from collections.abc import Callable, Sequence

from mmfer.utils.config_arguments import add_config_options, add_size_option, positive


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """Which model, for images of which size."""
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', nargs='?', help='checkpoint of the model')
    add_size_option(parser)
    parser.add_argument('--threads', type=positive, default=1, help='of either side (default: 1)')
    add_config_options(parser)


def add_licence_option(parser: argparse.ArgumentParser) -> None:
    """Under which terms the weights are passed on."""
    parser.add_argument(
        '--licence',
        metavar='SPDX',
        default='unspecified',
        help='of the weights, such as CC-BY-NC-4.0; mind the terms of the data they were trained '
        'on (default: %(default)s)',
    )


def parse_export_args(
    parser: argparse.ArgumentParser, suffix: str, argv: Sequence[str] | None
) -> argparse.Namespace:
    """Parse what to export, where to, and how it is compared with PyTorch.

    Args:
        parser (argparse.ArgumentParser): With the tool's own options.
        suffix (str): Of the file that it writes.
        argv (Sequence[str], optional): Words of the command line.
    """
    add_model_options(parser)
    parser.add_argument('--out', required=True, metavar='FILE', help=f'file to write, NAME{suffix}')
    parser.add_argument(
        '--with-preprocessing',
        action='store_true',
        help='take uint8 images in BGR and normalize them inside',
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
        help='images of the test set to compare on (default: %(default)s)',
    )
    parser.add_argument(
        '--no-timing', action='store_true', help='do not measure at the end how fast it is here'
    )
    add_licence_option(parser)
    args = parser.parse_args(argv)
    if not args.out.endswith(suffix):
        parser.error(f'--out is NAME{suffix}, got {args.out}')
    if not args.tolerance >= 0:
        parser.error(f'--tolerance is at least 0, got {args.tolerance}')
    return args


def exit_status(work: Callable[[argparse.Namespace], int | None], args: argparse.Namespace) -> int:
    """Do the work of a tool, and print what was wrong.

    Args:
        work (Callable[[argparse.Namespace], int | None]): What is called; it may return an exit
            status.
        args (argparse.Namespace): What it is called with.

    Returns:
        What ``work`` returned, or 0; 2 when there is no such file or setting; 1 after another
        error.
    """
    from mmfer.checkpoint.safe_load import CheckpointError
    from mmfer.utils.config_options import UnknownOptionError

    from .model import ExportError

    try:
        return work(args) or 0
    except (FileNotFoundError, UnknownOptionError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 2
    except (CheckpointError, ExportError, OSError, ValueError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
