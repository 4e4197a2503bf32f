# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from mmpretrain.evaluation import ConfusionMatrix

from mmfer.registry import METRICS


@METRICS.register_module()
class MeanClassAccuracy(ConfusionMatrix):
    """Accuracy of each class, and their mean (also called balanced accuracy or mean recall).

    If one expression dominates a dataset, the overall accuracy hides that rare ones are missed.
    Therefore both are reported for RAF-DB.

    Results, in percent: ``class_accuracy/mean`` and one ``class_accuracy/<class name>`` for every
    class in the ground truth. A class without samples is omitted, also from the mean, as in
    scikit-learn's ``balanced_accuracy_score``.

    Args:
        num_classes (int, optional): Only needed if predictions are labels without scores. Defaults
            to None.
        collect_device (str): ``'cpu'`` or ``'gpu'``, how processes exchange their results. Defaults
            to ``'cpu'``.
        prefix (str, optional): Prefix of the result names. Defaults to None, ``'class_accuracy'``.
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
