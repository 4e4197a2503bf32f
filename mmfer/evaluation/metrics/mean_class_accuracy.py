# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from mmpretrain.evaluation import ConfusionMatrix

from mmfer.registry import METRICS


@METRICS.register_module()
class MeanClassAccuracy(ConfusionMatrix):
    """Accuracy of each class, and their mean (also called balanced accuracy or mean recall).

    On sets where one expression dominates, overall accuracy hides that rare ones are missed; RAF-DB
    is therefore reported with both numbers.

    Results, in percent: ``class_accuracy/mean`` and one ``class_accuracy/<class name>`` for every
    class that occurs in the ground truth. A class without a sample has no accuracy: it has no entry
    and no part in the mean, as in scikit-learn's ``balanced_accuracy_score``.

    Args:
        num_classes: Needed only where predictions are labels without scores. Defaults to None.
        collect_device: ``'cpu'`` or ``'gpu'``, how processes exchange their results. Defaults to
            ``'cpu'``.
        prefix: What the result names begin with. Defaults to ``'class_accuracy'``.
    """

    default_prefix = 'class_accuracy'

    def compute_metrics(self, results: list) -> dict[str, float]:
        matrix = super().compute_metrics(results)['result'].double()  # rows: ground truth
        support = matrix.sum(dim=1)
        present = support.nonzero().flatten().tolist()
        classes = (self.dataset_meta or {}).get('classes') or range(len(matrix))
        accuracy = {
            str(classes[index]): (100 * matrix[index, index] / support[index]).item()
            for index in present
        }
        return {'mean': sum(accuracy.values()) / len(accuracy), **accuracy}
