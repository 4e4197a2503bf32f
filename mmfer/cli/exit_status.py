# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import argparse
import sys
from collections.abc import Callable


def exit_status(work: Callable[[argparse.Namespace], int | None], args: argparse.Namespace) -> int:
    """Run the main function of a tool and print its errors.

    Args:
        work (Callable[[argparse.Namespace], int | None]): Function to run; it may return an exit
            status.
        args (argparse.Namespace): Its argument.

    Returns:
        The exit status of ``work``, or 0 if it is None; 2 if a file or a setting does not exist; 1
        after another error.
    """
    # Imported late, so that --help is quick.
    from mmfer.checkpoint import CheckpointError
    from mmfer.deployment.model import ExportError
    from mmfer.utils.config_options import UnknownOptionError

    try:
        return work(args) or 0
    except (FileNotFoundError, UnknownOptionError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 2
    except (CheckpointError, ExportError, OSError, TypeError, ValueError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
