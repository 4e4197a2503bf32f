# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from collections import Counter

from mmengine.dataset import BaseDataset, ClassBalancedDataset

from mmfer.registry import DATASETS

from .sample_classes import classes_of_samples


@DATASETS.register_module()
class FullyBalancedDataset(ClassBalancedDataset):
    """Oversampling until every class is about as frequent as the most frequent one.

    The heavy one of APViT's two strengths, for training sets that are imbalanced where the test set
    is not ("Results on AffectNet", section 4.4). The light one is mmengine's
    ``ClassBalancedDataset``, which goes by the square root of a class's frequency.

    A sample of a class of n appears ceil(N / n) times, where the most frequent class has N. In a
    pass each class is therefore between N and 2 N long.

    Args:
        dataset (BaseDataset | dict): The dataset or its config. One with several labels a sample
            repeats it as the rarest of them demands; samples without a label come once.
        lazy_init (bool): Whether to read the dataset later. Defaults to False.
    """

    def __init__(self, dataset: BaseDataset | dict, lazy_init: bool = False):
        # The threshold is the square root rule's, which full_init replaces.
        super().__init__(dataset, oversample_thr=1.0, lazy_init=lazy_init)

    def full_init(self) -> None:
        if self._fully_initialized:
            return
        self.dataset.full_init()
        labels = classes_of_samples(self.dataset)
        counts = Counter(label for of_sample in labels for label in of_sample)
        most = max(counts.values(), default=1)
        rarest = [min((counts[label] for label in of_sample), default=most) for of_sample in labels]
        self.repeat_indices = [
            index
            for index, count in enumerate(rarest)
            for _ in range(-(-most // count))  # rounded up
        ]
        self._fully_initialized = True
