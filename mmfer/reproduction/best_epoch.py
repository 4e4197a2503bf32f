# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Test the epoch with the best validation result."""

import re

from .index import ExperimentError
from .stages import Stage


def best_epoch(stage: Stage, metric: str) -> Stage:
    """Return the stage that tests the checkpoint with the best validation result.

    If several epochs are equally good, the hook keeps the first one. All results of a run are then
    those of one model, evaluated on the test list.

    Args:
        stage (Stage): A trained stage.
        metric (str): Metric of the checkpoint hook's ``save_best``.

    Returns:
        A stage in the subfolder ``best`` of the stage's folder.

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
            f'saves it if val_evaluator computes {metric}. If it was deleted, or the folder is '
            'from an older version, delete the folder to train again, or use --select last'
        )
    number = max(found)  # a stopped training may leave an earlier best
    unit, checkpoint = found[number]
    return stage.test_of(f'best {unit}, {number}', 'best', checkpoint)
