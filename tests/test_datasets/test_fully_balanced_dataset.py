# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from collections import Counter

import pytest
from mmpretrain.datasets import BaseDataset
from toy_training import ToyFaces  # noqa: F401  registers it

from mmfer.datasets import FullyBalancedDataset
from mmfer.registry import DATASETS


class Labels(BaseDataset):
    """Samples with labels only."""

    METAINFO = dict(classes=('a', 'b', 'c', 'd'))

    def __init__(self, labels, **kwargs):
        self.labels = labels
        super().__init__(ann_file='', serialize_data=False, **kwargs)

    def load_data_list(self):
        return [dict(gt_label=label) for label in self.labels]


@pytest.mark.parametrize('counts', [(10, 3, 1), (5, 5, 5), (134, 75, 25, 4), (7,)])
def test_every_class_is_as_long_as_the_longest(counts):
    labels = [label for label, count in enumerate(counts) for _ in range(count)]
    dataset = FullyBalancedDataset(Labels(labels))
    drawn = [dataset[index] for index in range(len(dataset))]
    seen = Counter(sample['gt_label'] for sample in drawn)
    assert all(max(counts) <= seen[label] < 2 * max(counts) for label in range(len(counts)))
    # Repeated often enough, and all samples of a class equally often.
    times = Counter(sample['sample_idx'] for sample in drawn)
    for index, label in enumerate(labels):
        times_needed = 1
        while times_needed * counts[label] < max(counts):
            times_needed += 1
        assert times[index] == times_needed
    assert dataset.metainfo['classes'] == ('a', 'b', 'c', 'd')


def test_samples_without_a_label_come_once():
    dataset = FullyBalancedDataset(Labels([0, -1, 0, 1, 0, -1, 0]))
    assert dataset.repeat_indices == [0, 1, 2, 3, 3, 3, 3, 4, 5, 6]
    assert FullyBalancedDataset(Labels([-1, -1])).repeat_indices == [0, 1]


def test_lazy_and_from_a_config():
    lazy = FullyBalancedDataset(Labels([0, 0, 1], lazy_init=True), lazy_init=True)
    assert len(lazy) == 4
    built = DATASETS.build(
        dict(type='FullyBalancedDataset', dataset=dict(type='ToyFaces', size=30))
    )
    counts = Counter(built.dataset.labels.tolist())
    most = max(counts.values())
    assert len(built) == sum(count * -(-most // count) for count in counts.values())
