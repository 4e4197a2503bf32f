# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from collections import Counter
from itertools import islice

import numpy as np
import pytest
from mmengine.dataset import ConcatDataset, RepeatDataset
from mmengine.runner import Runner
from mmpretrain.datasets import BaseDataset, MultiLabelDataset

from mmfer.datasets import ClassBalancedSampler, FullyBalancedDataset
from mmfer.datasets.sample_classes import classes_of_samples
from mmfer.registry import DATA_SAMPLERS

COUNTS = (50, 20, 7, 1)
MODULE = 'mmfer.datasets.samplers.class_balanced_sampler'


class Labeled(BaseDataset):
    """Samples with labels only, in random order."""

    METAINFO = dict(classes=tuple('abcdefgh'))

    def __init__(self, counts=COUNTS, seed=0, **kwargs):
        labels = np.repeat(np.arange(len(counts)), counts)
        self.labels = np.random.default_rng(seed).permutation(labels).tolist()
        super().__init__(ann_file='', serialize_data=False, **kwargs)

    def load_data_list(self):
        return [dict(gt_label=label) for label in self.labels]


class Several(MultiLabelDataset):
    METAINFO = dict(classes=tuple('abc'))

    def __init__(self, labels):
        self.labels = labels
        super().__init__(ann_file='', serialize_data=False)

    def load_data_list(self):
        return [dict(gt_label=labels) for labels in self.labels]


@pytest.fixture
def processes(monkeypatch):
    """Samplers of all processes of a distributed run."""

    def _processes(world_size, *args, **kwargs):
        samplers = []
        for rank in range(world_size):
            monkeypatch.setattr(f'{MODULE}.get_dist_info', lambda rank=rank: (rank, world_size))
            samplers.append(ClassBalancedSampler(*args, **kwargs))
        return samplers

    return _processes


def draw(sampler, epoch=0):
    sampler.set_epoch(epoch)
    return list(sampler)


@pytest.mark.parametrize('batch_size', [1, 4, 6, 16])
@pytest.mark.parametrize('shuffle', [True, False])
def test_every_batch_has_as_many_of_each_class(batch_size, shuffle):
    dataset = Labeled()
    drawn = draw(ClassBalancedSampler(dataset, seed=3, shuffle=shuffle))
    assert len(drawn) == len(dataset) == 78
    for start in range(len(drawn) - batch_size):
        batch = [dataset.labels[index] for index in drawn[start : start + batch_size]]
        for label in range(len(COUNTS)):
            assert batch_size // 4 <= batch.count(label) <= -(-batch_size // 4)


def test_all_samples_of_a_class_come_before_one_comes_again():
    dataset = Labeled()
    drawn = list(islice(ClassBalancedSampler(dataset, seed=0, infinite=True), 400))
    for label, count in enumerate(COUNTS):
        of_class = [index for index in drawn if dataset.labels[index] == label]
        everything = {i for i, other in enumerate(dataset.labels) if other == label}
        assert len(of_class) == 100
        rounds = [of_class[start : start + count] for start in range(0, 100 - count + 1, count)]
        assert all(set(each) == everything for each in rounds)
        # Shuffled again in each round: two consecutive orders of 7 agree once in 5,040.
        assert count < 7 or all(a != b for a, b in zip(rounds, rounds[1:], strict=False))


def test_the_largest_class_comes_once_in_the_long_pass():
    dataset = Labeled()
    drawn = Counter(draw(ClassBalancedSampler(dataset, length='largest', seed=0)))
    assert sum(drawn.values()) == 4 * 50 and set(drawn) == set(range(78))
    for index, label in enumerate(dataset.labels):
        times = 50 / COUNTS[label]
        assert np.floor(times) <= drawn[index] <= np.ceil(times)


def test_order_depends_on_seed_and_epoch_alone():
    dataset = Labeled()
    first = ClassBalancedSampler(dataset, seed=5)
    assert draw(first, 1) == draw(ClassBalancedSampler(dataset, seed=5), 1)
    orders = [draw(first, 0), draw(first, 1), draw(ClassBalancedSampler(dataset, seed=7), 0)]
    assert orders[0] != orders[1] and orders[0] != orders[2]
    # The next epoch has another part of a frequent class.
    shown = [{index for index in order if dataset.labels[index] == 0} for order in orders]
    assert len(shown[0]) in (19, 20) and shown[0] != shown[1]
    in_order = ClassBalancedSampler(dataset, seed=5, shuffle=False)
    assert draw(in_order, 0) == draw(in_order, 1)


def test_without_a_seed_processes_agree_on_one(monkeypatch):
    monkeypatch.setattr(f'{MODULE}.sync_random_seed', lambda: 11)
    assert ClassBalancedSampler(Labeled()).seed == 11


@pytest.mark.parametrize('length', ['dataset', 'largest'])
@pytest.mark.parametrize('counts', [COUNTS, (9, 9, 9), (30, 5, 4, 3, 2, 1, 1, 1)])
@pytest.mark.parametrize('world_size', [2, 3, 4])
def test_each_process_balances_a_share_of_its_own(processes, world_size, counts, length):
    dataset = Labeled(counts)
    samplers = processes(world_size, dataset, length=length, seed=1)
    shares = [draw(sampler) for sampler in samplers]
    assert {len(share) for share in shares} == {len(sampler) for sampler in samplers}
    least = len(dataset) if length == 'dataset' else max(counts) * len(counts)
    assert least <= sum(map(len, shares)) < least + world_size * len(counts)
    for share in shares:
        seen = Counter(dataset.labels[index] for index in share)
        assert len(seen) == len(counts) and max(seen.values()) - min(seen.values()) <= 1
    # Together they go through a class like one process, but some may be one turn ahead.
    times = Counter(index for share in shares for index in share)
    for label, count in enumerate(counts):
        of_class = [times[i] for i, other in enumerate(dataset.labels) if other == label]
        turns = sum(of_class)
        assert min(of_class) >= (turns - world_size) // count
        assert max(of_class) <= -(-(turns + world_size) // count)


def test_what_a_batch_has_too_much_differs_between_processes(processes):
    dataset = Labeled((10, 10, 10, 10))
    samplers = processes(2, dataset, seed=0)
    extra = [dataset.labels[draw(sampler)[0]] for sampler in samplers]
    assert extra[0] != extra[1]


def test_runner_builds_it_and_workers_do_not_change_the_order():
    orders = []
    for workers in (0, 2):
        loader = Runner.build_dataloader(
            dict(
                dataset=Labeled(),
                batch_size=8,
                num_workers=workers,
                drop_last=True,
                sampler=dict(type='ClassBalancedSampler', shuffle=True),
                collate_fn=dict(type='pseudo_collate'),
            ),
            seed=2,
        )
        batches = [batch['gt_label'] for batch in loader]
        assert len(batches) == len(loader) == 9
        assert all(Counter(batch) == {0: 2, 1: 2, 2: 2, 3: 2} for batch in batches)
        orders.append([batch['sample_idx'] for batch in loader])
    assert orders[0] == orders[1]
    assert DATA_SAMPLERS.get('ClassBalancedSampler') is ClassBalancedSampler


def test_classes_are_found_below_wrappers():
    first, second = Labeled((3, 1)), Labeled((1, 4), seed=1)
    both = ConcatDataset([first, second])
    together = [{label} for label in first.labels + second.labels]
    assert classes_of_samples(both) == together
    repeated = RepeatDataset(first, 2)
    assert classes_of_samples(repeated) == 2 * [{label} for label in first.labels]
    balanced = FullyBalancedDataset(first)
    assert classes_of_samples(balanced) == [{balanced[i]['gt_label']} for i in range(len(balanced))]
    around = FullyBalancedDataset(dict(type='ConcatDataset', datasets=[first, second]))
    assert classes_of_samples(around) == [together[index] for index in around.repeat_indices]
    for dataset in (both, repeated, balanced, around):
        drawn = [dataset[index]['gt_label'] for index in draw(ClassBalancedSampler(dataset))]
        assert abs(drawn.count(0) - drawn.count(1)) <= 1


def test_samples_with_several_labels_take_part_in_the_turns_of_each():
    dataset = Several([[0], [0], [0], [0, 1], [1, 2]])
    sampler = ClassBalancedSampler(dataset, length='largest', seed=0)
    drawn = Counter(draw(sampler))
    assert len(sampler) == 3 * 4
    assert [drawn[index] for index in range(3)] == [1, 1, 1], 'each once, as image 3 in turn 0'
    assert drawn[3] == 1 + 2 and drawn[4] == 2 + 4


def test_datasets_that_cannot_be_balanced_are_errors():
    with pytest.raises(ValueError, match='length .*5'):
        ClassBalancedSampler(Labeled(), length=5)
    with pytest.raises(ValueError, match='2 of 3 .*1'):
        ClassBalancedSampler(Several([[0], [], []]))
    unlabeled = Labeled((2, 3))
    unlabeled.data_list[3]['gt_label'] = -1
    with pytest.raises(ValueError, match='1 of 5 .*3'):
        ClassBalancedSampler(unlabeled)
    with pytest.raises(ValueError, match='has no samples'):
        ClassBalancedSampler(Several([]))
