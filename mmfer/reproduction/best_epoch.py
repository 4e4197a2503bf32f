# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""The test of the epoch that validation selects."""

import re

from .index import ExperimentError
from .stages import Stage


def best_epoch(stage: Stage, metric: str) -> Stage:
    """The stage that tests the checkpoint that validation found best, the first of equal ones.

    All figures of a run are then those of one model, tested on the test list.

    Args:
        stage (Stage): One that is trained.
        metric (str): That which its checkpoint hook keeps the best of (``save_best``).

    Returns:
        Its folder is ``best`` in that of the stage.

    Raises:
        ExperimentError: There is no such checkpoint.
    """
    start = f'best_{metric.replace("/", "_")}_'
    found = {}
    for path in stage.folder.glob(f'{start}*.pth'):
        if match := re.fullmatch(r'(epoch|iter)_(\d+)', path.stem.removeprefix(start)):
            found[int(match[2])] = (match[1], path)
    if not found:
        raise ExperimentError(
            f'{stage.folder} has no checkpoint {start}*.pth, the best by validation. Training '
            f'keeps it where val_evaluator gives {metric}; if it was deleted, or the folder is '
            'older, delete the folder to train anew, or use --select last'
        )
    number = max(found)  # a later one replaces the former, and may have been stopped in between
    unit, checkpoint = found[number]
    return stage.test_of(f'best {unit}, {number}', 'best', checkpoint)
