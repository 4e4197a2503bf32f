# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Command-line options that all export tools share.

Slow imports are avoided at module level, so that ``--help`` is fast.
"""

import argparse
from collections.abc import Sequence

from mmfer.utils.config_arguments import add_config_options, add_size_option, positive


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """Add the options for the model and its image size."""
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', nargs='?', help='checkpoint of the model')
    add_size_option(parser)
    parser.add_argument(
        '--threads', type=positive, default=1, help='CPU threads per model (default: 1)'
    )
    add_config_options(parser)


def add_licence_option(parser: argparse.ArgumentParser) -> None:
    """Add the option for the license of the weights."""
    parser.add_argument(
        '--licence',
        metavar='SPDX',
        default='unspecified',
        help='license of the weights, such as CC-BY-NC-4.0; check the terms of the training data '
        '(default: %(default)s)',
    )


def parse_export_args(
    parser: argparse.ArgumentParser, suffix: str, argv: Sequence[str] | None
) -> argparse.Namespace:
    """Add the options of an export to a parser, and parse the command line.

    Args:
        parser (argparse.ArgumentParser): Parser with the tool's own options.
        suffix (str): Suffix of the output file.
        argv (Sequence[str], optional): Arguments; None for those of the process.
    """
    add_model_options(parser)
    parser.add_argument('--out', required=True, metavar='FILE', help=f'file to write, NAME{suffix}')
    parser.add_argument(
        '--with-preprocessing',
        action='store_true',
        help='export a model that reads uint8 images in BGR and normalizes them itself',
    )
    parser.add_argument('--verify', action='store_true', help='compare with PyTorch')
    parser.add_argument(
        '--tolerance',
        type=float,
        default=1e-4,
        metavar='X',
        help='largest allowed difference, relative to the largest value of an output or to 1, '
        'whichever is larger (default: %(default)s)',
    )
    parser.add_argument(
        '--num',
        type=positive,
        default=14,
        metavar='N',
        help='number of images of the test set to compare on (default: %(default)s)',
    )
    parser.add_argument(
        '--no-timing', action='store_true', help='do not measure the speed after the export'
    )
    add_licence_option(parser)
    args = parser.parse_args(argv)
    if not args.out.endswith(suffix):
        parser.error(f'--out must be NAME{suffix}, got {args.out}')
    if not args.tolerance >= 0:
        parser.error(f'--tolerance must be at least 0, got {args.tolerance}')
    return args
