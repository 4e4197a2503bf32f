# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""``python -m mmfer COMMAND``: each command is a module of this package.

A command module has a docstring, whose first line is its summary; ``add_arguments(parser)``; and
``run(args)``, which returns the exit status. Slow imports are inside ``run``, so that ``--help`` is
quick. It raises :class:`CommandError` for errors that the user can fix. Add its name to
:data:`COMMANDS`.
"""

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

COMMANDS = ('predict', 'serve', 'models', 'weights', 'print_env')

INTERRUPTED = 130


class CommandError(Exception):
    """Wrong arguments, files or models; the message says which, and what to do."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments (Sequence[str], optional): The arguments after ``python -m mmfer``. Defaults to
            those of the process.

    Returns:
        The exit status of the command; 2 for wrong arguments, models or files, with a message on
        stderr; 130 if it was interrupted.
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
