# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Command-line arguments of the tools that draw figures."""

import argparse
from collections.abc import Sequence

from mmfer.utils.config_arguments import add_config_options, positive, tool_parser


def make_parser(
    doc: str, out: str, num: int | None = None, num_default: str = 'all'
) -> argparse.ArgumentParser:
    """Return a parser with config, checkpoint, --out, --split, --num, --device and --cfg-options.

    Args:
        doc (str): Docstring of the tool's module.
        out (str): Default of --out.
        num (int, optional): Default of --num. Defaults to None, all images.
        num_default (str): The default of --num as shown in the help. Defaults to ``'all'``.
    """
    parser = tool_parser(doc)
    add_trained_model(parser)
    add_out(parser, out)
    parser.add_argument(
        '--split',
        choices=['test', 'val', 'train'],
        default='test',
        help="split of the dataset; 'train' includes its augmentation (default: %(default)s)",
    )
    parser.add_argument(
        '--num',
        type=positive,
        default=num,
        metavar='N',
        help=f'use N images, spread evenly over the split (default: {num_default})',
    )
    add_config_options(parser)
    return parser


def add_trained_model(parser: argparse.ArgumentParser) -> None:
    """Add config, checkpoint and --device."""
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='checkpoint of the model')
    parser.add_argument('--device', default='cpu', help='where the model runs (default: cpu)')


def add_test_faces(parser: argparse.ArgumentParser) -> None:
    """Add --images and --num, the arguments of :func:`mmfer.analysis.pooling.face_batches`."""
    parser.add_argument(
        '--images', nargs='+', metavar='FILE', help='images of aligned faces (default: test split)'
    )
    parser.add_argument(
        '--num',
        type=positive,
        default=6,
        metavar='N',
        help='number of faces from the test split (default: %(default)s)',
    )


def add_out(parser: argparse.ArgumentParser, default: str) -> None:
    """Add --out, the figure to write."""
    parser.add_argument(
        '--out',
        type=figure_file,
        default=default,
        metavar='FILE',
        help='figure to write: .png, .pdf, .svg, ... (default: %(default)s)',
    )


def figure_file(text: str) -> str:
    """Check that figures can be written under a name before the model runs; a type for argparse."""
    from mmfer.visualization.figures import figure_format  # late: it imports matplotlib

    try:
        figure_format(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return text


def named_file(text: str) -> tuple[str, str]:
    """Parse ``NAME=FILE`` into (name, file); a type for argparse."""
    name, _, path = text.partition('=')
    if not (name and path):
        raise argparse.ArgumentTypeError(f'must be NAME=FILE, not {text!r}')
    return name, path


def group_by_name(files: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    """Return a dict name -> files, in the order of the command line."""
    groups = {}
    for name, path in files:
        groups.setdefault(name, []).append(path)
    return groups


def add_versus(parser: argparse.ArgumentParser) -> None:
    """Add --versus, further models to draw next to the first: pairs in ``args.versus``."""
    parser.add_argument(
        '--versus',
        nargs=2,
        action='append',
        default=[],
        metavar=('CONFIG', 'CHECKPOINT'),
        help='a further model to draw; may be given several times',
    )
