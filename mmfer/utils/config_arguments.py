# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""What command lines have in common; nothing slow is imported, for --help."""

import argparse

_HELP = (
    'override settings, e.g. model.backbone.app.keep_num=80 val_evaluator.0.topk=1; lists are '
    'written a,b or "[a,b]". An unknown key is an error'
)


def add_config_options(
    parser: argparse._ActionsContainer, help: str = _HELP, name: str = '--cfg-options'
) -> None:
    """Add an option for words that :func:`mmfer.utils.config_options.parse_options` reads.

    As in MMPretrain's tools it may be given several times, and all of them count.

    Args:
        parser: A parser, or a group of its arguments.
        help: What it says of the option. Default: it overrides settings of the config.
        name: Of the option. Default ``'--cfg-options'``.
    """
    parser.add_argument(
        name, nargs='+', action='extend', default=[], metavar='KEY=VALUE', help=help
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
