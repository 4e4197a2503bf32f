# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from collections import Counter

from mmengine.dataset import BaseDataset, ClassBalancedDataset

from mmfer.registry import DATASETS

from .sample_classes import classes_of_samples


@DATASETS.register_module()
class FullyBalancedDataset(ClassBalancedDataset):
    """Oversampling until every class is about as frequent as the most frequent one.

    The stronger of APViT's two kinds of oversampling, for training sets that are imbalanced while
    the test set is not ("Results on AffectNet", section 4.4). The weaker one is mmengine's
    ``ClassBalancedDataset``, which uses the square root of a class's frequency.

    A sample of a class with n samples is repeated ceil(N / n) times, where N is the size of the
    largest class. So in an epoch each class has between N and 2 N samples.

    Args:
        dataset (BaseDataset | dict): The dataset or its config. A sample with several labels is
            repeated as often as its rarest label requires; samples without a label are not
            repeated.
        lazy_init (bool): Whether to read the dataset later. Defaults to False.
    """

    def __init__(self, dataset: BaseDataset | dict, lazy_init: bool = False):
        # The threshold belongs to the square-root rule, which is replaced below.
        super().__init__(dataset, oversample_thr=1.0, lazy_init=lazy_init)

    def _get_repeat_factors(self, dataset: BaseDataset, repeat_thr: float) -> list[int]:
        labels = classes_of_samples(dataset)
        counts = Counter(label for of_sample in labels for label in of_sample)
        most = max(counts.values(), default=1)
        rarest = [min((counts[label] for label in of_sample), default=most) for of_sample in labels]
        return [-(-most // count) for count in rarest]  # rounded up
