# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from mmengine.dataset import BaseDataset, ClassBalancedDataset, ConcatDataset, RepeatDataset


def classes_of_samples(dataset: BaseDataset) -> list[set[int]]:
    """Return the classes of every sample of a dataset, which may be inside mmengine's wrappers.

    mmengine's ``get_cat_ids`` is missing in its ``ConcatDataset`` and ``RepeatDataset``, and fails
    in wrappers around these.

    Args:
        dataset (BaseDataset): The dataset, or any nesting of wrappers around it.

    Returns:
        The set of classes for each index: usually one class, several for multi-label samples, none
        if the label is negative, which means not labeled in mmfer's datasets.
    """
    if isinstance(dataset, ConcatDataset):
        dataset.full_init()
        found = [classes for part in dataset.datasets for classes in classes_of_samples(part)]
        order = getattr(dataset, 'order', None)  # set by mmfer's ConcatDataset
        return found if order is None else [found[place] for place in order]
    if isinstance(dataset, RepeatDataset):
        return classes_of_samples(dataset.dataset) * dataset.times
    if isinstance(dataset, ClassBalancedDataset):
        dataset.full_init()
        within = classes_of_samples(dataset.dataset)
        return [within[index] for index in dataset.repeat_indices]
    labels = (dataset.get_cat_ids(index) for index in range(len(dataset)))
    return [{label for label in of_sample if label >= 0} for of_sample in labels]
