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
    """Every batch has equally many samples of each class.

    The classes take turns, so any B consecutive samples have B / C of each of C classes, rounded
    down or up. The sampler needs no batch size, and an epoch as a whole is balanced too. Within a
    class, the samples come in random order, all of them once before any is repeated.

    Use it as ``sampler`` of a data loader, instead of mmengine's ``DefaultSampler``. ``set_epoch``
    changes the order, which depends only on ``seed`` and epoch, not on workers. Every process of a
    distributed run balances its own batches and uses every N-th sample of a class, where N is the
    number of processes.

    Note:
        ``ClassBalancedDataset`` and ``FullyBalancedDataset`` change how often a sample appears in
        an epoch, and do not balance batches. They may be used below this sampler, but it makes
        their repetitions unnecessary.

    Args:
        dataset (BaseDataset): The data loader's dataset, passed by the runner. Its samples have a
            class (``get_cat_ids``); a sample with several classes takes part in the turns of each.
        length (str): Samples per epoch, over all processes. ``'dataset'``: the size of the dataset,
            so that schedules keep their meaning; an epoch has only a part of the frequent classes.
            ``'largest'``: until every sample of the largest class has appeared once. Defaults to
            ``'dataset'``.
        infinite (bool): Whether to continue without end, for iteration-based training, where a
            finite data loader has to be restarted. ``len`` then has no meaning. Defaults to False.
        shuffle (bool): Whether the order is random; else it is that of the dataset, the same in
            each epoch. Defaults to True.
        seed (int, optional): The same in all processes. Defaults to None, a random seed that is
            shared by all processes.

    Raises:
        ValueError: ``length`` is not one of the two, the dataset is empty, or a sample has no
            class.
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
        # Public: RandomStateHook saves it, and restores it when training is resumed.
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
        """Number of samples of this process in an epoch."""
        return self.num_samples

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch, which defines the order of the next iteration."""
        self.epoch = epoch

    def _turns(self) -> Iterator[int]:
        """Yield indices without end, one of each class in turn."""
        # All processes draw the same numbers, and each uses its share of them.
        generator = torch.Generator().manual_seed(self.seed + self.epoch)
        count = len(self.members)
        seeds = torch.randint(2**62, (count,), generator=generator).tolist()
        queues = [
            islice(self._queue(members, seed), self.rank, None, self.world_size)
            for members, seed in zip(self.members.values(), seeds, strict=True)
        ]
        order = torch.randperm(count, generator=generator) if self.shuffle else torch.arange(count)
        # If the batch size is not a multiple of the number of classes, the first classes get one
        # more sample. These classes should differ between processes.
        order = order.roll(-(self.rank * count // self.world_size)).tolist()
        yield from chain.from_iterable(zip(*(queues[place] for place in order), strict=True))

    def _queue(self, members: Tensor, seed: int) -> Iterator[int]:
        """Yield samples of a class without end."""
        generator = torch.Generator().manual_seed(seed)
        while True:
            if self.shuffle:
                yield from members[torch.randperm(len(members), generator=generator)].tolist()
            else:
                yield from members.tolist()


def _members(dataset: BaseDataset) -> dict[int, Tensor]:
    members, unlabeled = defaultdict(list), []
    for index, classes in enumerate(classes_of_samples(dataset)):
        for label in classes:
            members[label].append(index)
        if not classes:
            unlabeled.append(index)
    if unlabeled:
        raise ValueError(
            f'ClassBalancedSampler: {len(unlabeled)} of {len(dataset)} samples have no class, the '
            f'first is number {unlabeled[0]}; they would never be drawn. Remove them from the '
            'dataset, or set train_dataloader.sampler.type=DefaultSampler'
        )
    if not members:
        raise ValueError('ClassBalancedSampler: the dataset has no samples')
    return {label: torch.tensor(members[label]) for label in sorted(members)}
