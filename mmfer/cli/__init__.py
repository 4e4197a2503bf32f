# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""``python -m mmfer COMMAND``: a module of this package for each command.

A command is a module with a docstring, of which the first line is its summary;
``add_arguments(parser)``; and ``run(args)``, which returns the exit status. It imports what is slow
in ``run``, so that ``--help`` answers at once, and raises :class:`CommandError` for what the caller
can mend. Add its name to :data:`COMMANDS`.
"""

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

COMMANDS = ('predict', 'serve', 'models', 'weights', 'print_env')

INTERRUPTED = 130


class CommandError(Exception):
    """Arguments, files or models are wrong; the message says which and what to do."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments (Sequence[str], optional): The words after ``python -m mmfer``. Defaults to those
            of the process.

    Returns:
        The exit status: the command's; 2 for wrong arguments, models and files, with a message on
        stderr; 130 when it was interrupted.
    """
    parser = argparse.ArgumentParser(
        prog='python -m mmfer', description='Facial expression recognition and facial analysis.'
    )
    subparsers = parser.add_subparsers(dest='command', required=True, metavar='COMMAND')
    commands = {name: importlib.import_module(f'{__name__}.{name}') for name in COMMANDS}
    for name, command in commands.items():
        command.add_arguments(
            subparsers.add_parser(
                name,
                help=command.__doc__.split('\n')[0],
                description=command.__doc__,
                formatter_class=argparse.RawDescriptionHelpFormatter,
            )
        )
    args = parser.parse_args(arguments)
    try:
        return commands[args.command].run(args)
    except CommandError as error:
        print(f'error: {error}', file=sys.stderr)
        return 2
    except BrokenPipeError:  # as in `python -m mmfer models | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        print('\ninterrupted', file=sys.stderr)
        return INTERRUPTED
