# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Command-line arguments of all tools that draw what a trained model makes of a split."""

import argparse

from mmfer.utils.config_arguments import add_config_options


def make_parser(
    description: str, out: str, num: int | None = None, num_default: str = 'all'
) -> argparse.ArgumentParser:
    """A parser with config, checkpoint, --out, --split, --num, --device and --cfg-options.

    Args:
        description: What the tool does.
        out: Default of --out.
        num: Default of --num. Default None, all pictures.
        num_default: How the help says that.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='checkpoint of the model')
    parser.add_argument(
        '--out',
        default=out,
        metavar='FILE',
        help='figure to write: .png, .pdf, .svg, ... (default: %(default)s)',
    )
    parser.add_argument(
        '--split',
        choices=['test', 'val', 'train'],
        default='test',
        help="whose pictures; 'train' comes with its augmentation (default: %(default)s)",
    )
    parser.add_argument(
        '--num',
        type=positive,
        default=num,
        metavar='N',
        help=f'use so many pictures, spread evenly over the split (default: {num_default})',
    )
    parser.add_argument('--device', default='cpu', help='where the model runs (default: cpu)')
    add_config_options(parser)
    return parser


def positive(text: str) -> int:
    """A number of pictures, for argparse."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f'must be at least 1, not {number}')
    return number
