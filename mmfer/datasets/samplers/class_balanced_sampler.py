# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from collections import defaultdict
from collections.abc import Iterator
from itertools import chain, islice

import torch
from mmengine.dataset import BaseDataset
from mmengine.dist import get_dist_info, sync_random_seed
from torch import Tensor
from torch.utils.data import Sampler

from mmfer.registry import DATA_SAMPLERS

from ..sample_classes import classes_of_samples

LENGTHS = ('dataset', 'largest')


@DATA_SAMPLERS.register_module()
class ClassBalancedSampler(Sampler):
    """Every batch holds equally many samples of each class.

    The classes take turns, so of any B samples in a row each of C classes has B / C, rounded down
    or up. This needs no batch size, and a pass as a whole is balanced too. In its turns, a class
    goes through its samples in random order, all of them once before any comes again.

    A data loader's ``sampler``, in place of mmengine's ``DefaultSampler``: ``set_epoch`` makes each
    pass another one, and the order depends on ``seed`` and epoch alone, not on workers. Every
    process of a distributed run balances its own batches and takes every N-th of a class's samples,
    N being the number of processes.

    Note:
        ``ClassBalancedDataset`` and ``FullyBalancedDataset`` change how often a sample comes in a
        pass, and leave batches to chance. They may stand below this sampler, but it makes their
        repetitions needless.

    Args:
        dataset (BaseDataset): The data loader's dataset; the runner gives it. Its samples have a
            class, as ``get_cat_ids`` says; one with several takes part in the turns of each.
        length (str): Samples in a pass, over all processes. ``'dataset'``: as many as the dataset
            has, so that schedules keep their meaning; a pass shows frequent classes in part.
            ``'largest'``: until every sample of the largest class has come once. Defaults to
            ``'dataset'``.
        infinite (bool): Go on without end, for training by iterations, where a data loader that
            ends has to be started again. The length, as ``len`` tells it, then means nothing.
            Defaults to False.
        shuffle (bool): Whether the order is random; else it is the dataset's, the same in each
            pass. Defaults to True.
        seed (int, optional): The same in all processes. Default: drawn, and agreed upon.

    Raises:
        ValueError: ``length`` is none of the two, the dataset is empty, or a sample has no class.
    """

    def __init__(
        self,
        dataset: BaseDataset,
        length: str = 'dataset',
        infinite: bool = False,
        shuffle: bool = True,
        seed: int | None = None,
    ):
        if length not in LENGTHS:
            raise ValueError(
                f'ClassBalancedSampler: length must be one of {LENGTHS}, not {length!r}'
            )
        self.rank, self.world_size = get_dist_info()
        self.infinite = infinite
        self.shuffle = shuffle
        # Not private: RandomStateHook saves it, and puts it back when training is resumed.
        self.seed = sync_random_seed() if seed is None else seed
        self.epoch = 0
        #: Indices of the samples of each class, by class.
        self.members = _members(dataset)
        if length == 'dataset':
            self.num_samples = -(-len(dataset) // self.world_size)  # rounded up
        else:
            largest = max(map(len, self.members.values()))
            self.num_samples = len(self.members) * -(-largest // self.world_size)

    def __iter__(self) -> Iterator[int]:
        return self._turns() if self.infinite else islice(self._turns(), self.num_samples)

    def __len__(self) -> int:
        """Number of samples that this process gets in a pass."""
        return self.num_samples

    def set_epoch(self, epoch: int) -> None:
        """Choose the order of the next pass."""
        self.epoch = epoch

    def _turns(self) -> Iterator[int]:
        """Indices without end, one of each class in turn."""
        # All processes draw the same numbers, and each takes its share of them.
        generator = torch.Generator().manual_seed(self.seed + self.epoch)
        count = len(self.members)
        seeds = torch.randint(2**62, (count,), generator=generator).tolist()
        queues = [
            islice(self._queue(members, seed), self.rank, None, self.world_size)
            for members, seed in zip(self.members.values(), seeds, strict=True)
        ]
        order = torch.randperm(count, generator=generator) if self.shuffle else torch.arange(count)
        # Where a batch is no multiple of the classes, its first ones get one sample more: these
        # should not be the same in all processes.
        order = order.roll(-(self.rank * count // self.world_size)).tolist()
        yield from chain.from_iterable(zip(*(queues[place] for place in order), strict=True))

    def _queue(self, members: Tensor, seed: int) -> Iterator[int]:
        """Samples of a class without end."""
        generator = torch.Generator().manual_seed(seed)
        while True:
            if self.shuffle:
                yield from members[torch.randperm(len(members), generator=generator)].tolist()
            else:
                yield from members.tolist()


def _members(dataset: BaseDataset) -> dict[int, Tensor]:
    members, homeless = defaultdict(list), []
    for index, classes in enumerate(classes_of_samples(dataset)):
        for label in classes:
            members[label].append(index)
        if not classes:
            homeless.append(index)
    if homeless:
        raise ValueError(
            f'ClassBalancedSampler: {len(homeless)} of {len(dataset)} samples have no class, the '
            f'first is number {homeless[0]}; they would never be drawn. Leave them out of the '
            'dataset, or take train_dataloader.sampler.type=DefaultSampler'
        )
    if not members:
        raise ValueError('ClassBalancedSampler: the dataset has no samples')
    return {label: torch.tensor(members[label]) for label in sorted(members)}
