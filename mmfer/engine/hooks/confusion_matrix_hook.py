# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import numpy as np
from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmfer.evaluation.confusion_matrix_file import write_confusion_matrix
from mmfer.registry import HOOKS
from mmfer.visualization.confusion_matrix import accuracy_of, draw_confusion_matrix
from mmfer.visualization.figures import save_figure

# Drawing a hundred classes takes minutes, and CFP has 500 people.
_MOST_DRAWN = 40


@HOOKS.register_module()
class ConfusionMatrixHook(Hook):
    """Save the confusion matrix as an image and as a table after testing.

    Writes ``confusion_matrix.png`` and ``confusion_matrix.csv`` (counts; rows are the ground truth)
    to the work folder and overwrites older ones. The image is skipped for more than 40 classes. The
    numbers come from mmpretrain's ``ConfusionMatrix``. Without ``dict(type='ConfusionMatrix')`` in
    ``test_evaluator`` this hook does nothing, so configs of any task can contain it.

    Args:
        metric (str): Key of the matrix in the test results. Defaults to
            ``'confusion_matrix/result'``.
        dpi (int): Resolution of the image. Defaults to 150.
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
        write_confusion_matrix(stem.with_suffix('.csv'), matrix, classes)
        if len(classes) > _MOST_DRAWN:
            runner.logger.info(
                f'Confusion matrix saved to {stem}.csv; not drawn, as it has {len(classes)} '
                f'classes (at most {_MOST_DRAWN})'
            )
            return
        figure = draw_confusion_matrix(matrix, classes, accuracy_of(matrix))
        save_figure(figure, stem.with_suffix('.png'), self.dpi)
        runner.logger.info(f'Confusion matrix saved to {stem}.png and {stem}.csv')
