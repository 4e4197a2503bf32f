# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Shared command-line options. Nothing slow is imported, so that --help is quick."""

import argparse
import sys

_HELP = (
    'override settings, e.g. model.backbone.app.keep_num=80 val_evaluator.0.topk=1; lists are '
    'written a,b or "[a,b]". An unknown key is an error'
)


def tool_parser(doc: str) -> argparse.ArgumentParser:
    """Return a parser whose description is the module docstring of a tool, with its line breaks."""
    return argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )


def add_config_options(
    parser: argparse._ActionsContainer, help: str = _HELP, name: str = '--cfg-options'
) -> None:
    """Add an option for ``KEY=VALUE`` words (:func:`mmfer.utils.config_options.parse_options`).

    The option may be repeated, as in MMPretrain's tools; the words of all are collected.

    Args:
        parser (argparse._ActionsContainer): A parser, or an argument group.
        help (str): Help text of the option. Defaults to a text about overriding config settings.
        name (str): Name of the option. Defaults to ``'--cfg-options'``.
    """
    parser.add_argument(
        name, nargs='+', action='extend', default=[], metavar='KEY=VALUE', help=help
    )


class _OneOrTwo(argparse.Action):
    """Stores a list of one or two values."""

    def __call__(self, parser, namespace, values, option_string=None):
        if len(values) > 2:
            parser.error(f'{option_string} takes one or two positive numbers, got {values}')
        setattr(namespace, self.dest, values)


class _FormerName(argparse.Action):
    """Stores the value for the option that is now called ``const``, with a warning."""

    def __call__(self, parser, namespace, values, option_string=None):
        print(f'warning: {option_string} is now called {self.const}', file=sys.stderr)
        setattr(namespace, self.dest, values)


def add_former_name(
    parser: argparse._ActionsContainer, former: str, option: argparse.Action
) -> None:
    """Also accept the former name of an option with one value. It warns and is not in --help."""
    parser.add_argument(
        former,
        action=_FormerName,
        const=option.option_strings[0],
        dest=option.dest,
        type=option.type,
        choices=option.choices,
        default=argparse.SUPPRESS,
        help=argparse.SUPPRESS,
    )


def add_size_option(parser: argparse.ArgumentParser, name: str = '--size') -> None:
    """Add an option for the image size of a model."""
    parser.add_argument(
        name,
        type=positive,
        nargs='+',
        action=_OneOrTwo,
        metavar='PIXELS',
        help='height and width, or one number for both (default: the size in the model or the test '
        'pipeline, else 224)',
    )


def add_launcher_options(parser: argparse.ArgumentParser) -> None:
    """Add the options for starting the processes of a distributed run."""
    parser.add_argument(
        '--launcher',
        choices=['none', 'pytorch', 'slurm', 'mpi'],
        default='none',
        help='how the processes of a distributed run are started',
    )
    # torch.distributed.launch passes it under one of these names.
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help=argparse.SUPPRESS)


def add_workers_option(parser: argparse.ArgumentParser) -> None:
    """Add the option for the number of worker processes."""
    parser.add_argument(
        '--workers',
        type=_not_negative,
        default=0,
        help='number of worker processes (default: 0, no other process)',
    )


def positive(text: str) -> int:
    """Parse an integer of at least 1; use it as ``type`` of an option."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f'must be an integer >= 1, got {text!r}')
    return number


def _not_negative(text: str) -> int:
    """Parse an integer of at least 0; use it as ``type`` of an option."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f'must be an integer >= 0, got {text!r}')
    return int(text)
