# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""What the tools that export do alike, once their arguments are read."""

import argparse
import sys
from collections.abc import Callable
from typing import Any

from mmfer.checkpoint.safe_load import CheckpointError
from mmfer.utils.config_options import UnknownOptionError

from .compare import compare_on_test_set, require_agreement
from .errors import ExportError
from .exported_model import ExportedModel
from .loading import LoadedModel
from .report import comparison_table


def exit_status(work: Callable[[], None]) -> int:
    """Do the work of a tool, and say what was wrong.

    Returns:
        0 when it was done; 2 when there is no such file or setting; 1 after another error.
    """
    try:
        work()
    except (FileNotFoundError, UnknownOptionError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 2
    except (CheckpointError, ExportError, OSError, ValueError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    return 0


def verify(
    loaded: LoadedModel, exported: ExportedModel, args: argparse.Namespace
) -> dict[str, Any]:
    """Compare an exported model with PyTorch, and print the table.

    Returns:
        ``tolerance`` and ``comparisons``, for the report.

    Raises:
        ExportError: They differ by more than ``args.tolerance``.
    """
    comparisons = compare_on_test_set(loaded, exported, args.num)
    print('largest differences from PyTorch:')
    print('\n'.join(comparison_table(comparisons, args.tolerance)))
    require_agreement(comparisons, args.tolerance)
    return dict(tolerance=args.tolerance, comparisons=[row.to_dict() for row in comparisons])
