# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import csv
from pathlib import Path

import numpy as np
from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmfer.evaluation import draw_confusion_matrix
from mmfer.registry import HOOKS


@HOOKS.register_module()
class ConfusionMatrixHook(Hook):
    """Save the confusion matrix as a picture and as a table after testing.

    Writes ``confusion_matrix.png`` and ``confusion_matrix.csv`` (counts; rows are the ground truth)
    into the work folder, over those of an earlier test. The numbers come from mmpretrain's
    ``ConfusionMatrix``: without ``dict(type='ConfusionMatrix')`` among ``test_evaluator`` the hook
    does nothing, so it may stand in configs of any task.

    Args:
        metric: Name of the matrix among the test results. Default ``'confusion_matrix/result'``.
        dpi: Resolution of the picture. Default 150.
    """

    def __init__(self, metric: str = 'confusion_matrix/result', dpi: int = 150):
        self.metric = metric
        self.dpi = dpi

    @master_only
    def after_test_epoch(self, runner: Runner, metrics: dict | None = None) -> None:
        if not metrics or self.metric not in metrics:
            return
        matrix = np.asarray(metrics[self.metric])
        classes = runner.test_dataloader.dataset.metainfo.get('classes')
        classes = [str(name) for name in classes or range(len(matrix))]

        stem = Path(runner.work_dir) / 'confusion_matrix'
        accuracy = 100 * np.trace(matrix) / max(matrix.sum(), 1)
        figure = draw_confusion_matrix(
            matrix, classes, f'accuracy {accuracy:.2f} % of {matrix.sum()} images'
        )
        figure.savefig(stem.with_suffix('.png'), dpi=self.dpi, bbox_inches='tight')
        with open(stem.with_suffix('.csv'), 'w', newline='') as file:
            writer = csv.writer(file)
            writer.writerow(['true \\ predicted', *classes])
            writer.writerows(
                [name, *row] for name, row in zip(classes, matrix.tolist(), strict=True)
            )
        runner.logger.info(f'The confusion matrix is in {stem}.png and {stem}.csv')
