# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import torch
from mmpretrain.evaluation import SingleLabelMetric

from mmfer.registry import METRICS


@METRICS.register_module()
class PresentClassesMetric(SingleLabelMetric):
    """Macro F1, precision and recall over the classes in the ground truth or the predictions.

    mmpretrain's ``SingleLabelMetric`` averages over all classes and counts a class without test
    images as 0. In CFP's random split, 98 of 500 people have no test image, so a perfect model
    would reach 80.4 %. This metric follows scikit-learn's convention. If all classes occur, both
    agree.

    Args:
        items (tuple[str, ...]): One or more of ``'precision'``, ``'recall'``, ``'f1-score'`` and
            ``'support'``. Defaults to ``('precision', 'recall', 'f1-score')``.
        collect_device (str): ``'cpu'`` or ``'gpu'``, how processes exchange their results. Defaults
            to ``'cpu'``.
        prefix (str, optional): Prefix of the result names. Defaults to None, ``'single-label'``.
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
