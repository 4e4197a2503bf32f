# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""What command lines have in common; nothing slow is imported, for --help."""

import argparse
import sys

_HELP = (
    'override settings, e.g. model.backbone.app.keep_num=80 val_evaluator.0.topk=1; lists are '
    'written a,b or "[a,b]". An unknown key is an error'
)


def tool_parser(doc: str) -> argparse.ArgumentParser:
    """A parser that describes a tool by the docstring of its module, laid out as it is."""
    return argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )


def add_config_options(
    parser: argparse._ActionsContainer, help: str = _HELP, name: str = '--cfg-options'
) -> None:
    """Add an option for words that :func:`mmfer.utils.config_options.parse_options` reads.

    As in MMPretrain's tools it may be given several times, and all of them count.

    Args:
        parser (argparse._ActionsContainer): A parser, or a group of its arguments.
        help (str): What it says of the option. Default: it overrides settings of the config.
        name (str): Of the option. Defaults to ``'--cfg-options'``.
    """
    parser.add_argument(
        name, nargs='+', action='extend', default=[], metavar='KEY=VALUE', help=help
    )


class _OneOrTwo(argparse.Action):
    """Stores one value or two."""

    def __call__(self, parser, namespace, values, option_string=None):
        if len(values) > 2:
            parser.error(f'{option_string} takes one or two positive numbers, got {values}')
        setattr(namespace, self.dest, values)


class _FormerName(argparse.Action):
    """Stores the value of the option that is now called ``const``, and warns."""

    def __call__(self, parser, namespace, values, option_string=None):
        print(f'warning: {option_string} is now called {self.const}', file=sys.stderr)
        setattr(namespace, self.dest, values)


def add_former_name(
    parser: argparse._ActionsContainer, former: str, option: argparse.Action
) -> None:
    """Accept the former name of an option with one value too; it warns and is not in --help."""
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
    """Add an option for the size of a model's images."""
    parser.add_argument(
        name,
        type=positive,
        nargs='+',
        action=_OneOrTwo,
        metavar='PIXELS',
        help='height and width, or one number for both (default: what the model or the test '
        'pipeline says, else 224)',
    )


def add_launcher_options(parser: argparse.ArgumentParser) -> None:
    """Add how the processes of a distributed run are started."""
    parser.add_argument(
        '--launcher',
        choices=['none', 'pytorch', 'slurm', 'mpi'],
        default='none',
        help='how the processes of a distributed run are started',
    )
    # torch.distributed.launch passes it, under either name.
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help=argparse.SUPPRESS)


def add_workers_option(parser: argparse.ArgumentParser) -> None:
    """Add how many processes share the work."""
    parser.add_argument(
        '--workers', type=_not_negative, default=0, help='processes (default: this one only)'
    )


def positive(text: str) -> int:
    """The ``type`` of options that are whole numbers of at least 1."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f'must be a whole number of at least 1, got {text!r}')
    return number


def _not_negative(text: str) -> int:
    """The ``type`` of options that are whole numbers of at least 0."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f'must be a whole number of at least 0, got {text!r}')
    return int(text)
