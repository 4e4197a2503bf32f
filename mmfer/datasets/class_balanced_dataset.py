# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import math
from collections import Counter

from mmengine.dataset import BaseDataset
from mmengine.dataset import ClassBalancedDataset as _ClassBalancedDataset

from mmfer.registry import DATASETS

from .sample_classes import classes_of_samples


@DATASETS.register_module()
class ClassBalancedDataset(_ClassBalancedDataset):
    """mmengine's ``ClassBalancedDataset`` that supports any wrappers below it.

    mmengine's version fails around ``RepeatDataset``. Samples without a label are not repeated. The
    arguments are mmengine's.
    """

    def _get_repeat_factors(self, dataset: BaseDataset, repeat_thr: float) -> list[float]:
        labels = classes_of_samples(dataset)
        counts = Counter(label for of_sample in labels for label in of_sample)
        factors = {
            label: max(1.0, math.sqrt(repeat_thr / (count / len(labels))))
            for label, count in counts.items()
        }
        return [max((factors[label] for label in of_sample), default=1.0) for of_sample in labels]
