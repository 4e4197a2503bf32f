# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import torch
from mmpretrain.evaluation import SingleLabelMetric

from mmfer.registry import METRICS


@METRICS.register_module()
class PresentClassesMetric(SingleLabelMetric):
    """Macro F1, precision and recall over the classes that occur, in truth or among predictions.

    mmpretrain's ``SingleLabelMetric`` takes the mean over all classes; one without a test image
    counts as 0. Of CFP's 500 people 98 have no test image in the random split, and a perfect model
    would reach 80.4 %. This is scikit-learn's convention; where all classes occur, both agree.

    Args:
        items (tuple[str, ...]): One or more of ``'precision'``, ``'recall'``, ``'f1-score'`` and
            ``'support'``. Default the first three.
        collect_device (str): ``'cpu'`` or ``'gpu'``, how processes exchange their results. Defaults
            to ``'cpu'``.
        prefix (str, optional): What the result names begin with. Defaults to ``'single-label'``.
    """

    def __init__(
        self,
        items: tuple[str, ...] = ('precision', 'recall', 'f1-score'),
        collect_device: str = 'cpu',
        prefix: str | None = None,
    ):
        super().__init__(items=items, collect_device=collect_device, prefix=prefix)

    def compute_metrics(self, results: list) -> dict[str, float]:
        target = torch.cat([result['gt_label'] for result in results])
        predicted = torch.cat([_label_of(result) for result in results])
        present, numbers = torch.unique(torch.cat([target, predicted]), return_inverse=True)
        target, predicted = numbers.split([len(target), len(predicted)])
        only = dict(gt_label=target, pred_label=predicted, num_classes=len(present))
        return super().compute_metrics([only])


def _label_of(result: dict) -> torch.Tensor:
    return result['pred_label'] if 'pred_label' in result else result['pred_score'].argmax()[None]
