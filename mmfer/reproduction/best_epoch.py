# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""The test of the epoch that validation selects."""

import numpy as np

from mmfer.analysis.training_logs import read_training_log

from .index import ACCURACY, ExperimentError
from .stages import Stage


def best_epoch(stage: Stage) -> Stage | None:
    """The stage that tests the epoch with the highest validation accuracy, the first of equal ones.

    All figures of a run are then those of one model, tested on the test list.

    Args:
        stage: One that is trained.

    Returns:
        Its folder is ``best`` in that of the stage. None if no checkpoint of the epoch was kept.

    Raises:
        ExperimentError: Validation did not measure accuracy.
    """
    curves = read_training_log(stage.folder)
    validation = {name: curve for name, curve in curves.items() if curve.part == 'validation'}
    if ACCURACY not in validation:
        raise ExperimentError(
            f'{stage.folder}: its validation gave no {ACCURACY}, only {", ".join(validation)}; see '
            'val_evaluator in its config'
        )
    curve = validation[ACCURACY]
    number = curve.steps[np.nanargmax(curve.values)]
    name = f'{"epoch" if curve.unit == "epoch" else "iter"}_{number}.pth'
    kept = [stage.folder / name, *sorted(stage.folder.glob(f'best_*_{name}'))]
    for checkpoint in kept:
        if checkpoint.is_file():
            return stage.test_of(f'best epoch, {number}', 'best', checkpoint)
    return None
