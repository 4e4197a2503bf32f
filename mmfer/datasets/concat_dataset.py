# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import copy
from collections.abc import Sequence
from typing import Any

from mmengine.dataset import ConcatDataset as _ConcatDataset
from mmengine.logging import print_log

from mmfer.registry import DATASETS
from mmfer.utils.short_list import short_list

from .class_numbers import class_key
from .renumbered import numbers_in, renumbered

# Meta information that defines what labels mean. The rest only tells where they come from.
_MEANINGS = ('classes', 'task', 'attributes', 'action_units')


@DATASETS.register_module()
class ConcatDataset(_ConcatDataset):
    """mmengine's ``ConcatDataset`` for datasets from different sources.

    The datasets must have the same classes and, if they define them, the same task, action units
    and attributes. Classes are matched by their names (:func:`.class_key`: ``happy`` is
    ``Happiness``). If a dataset numbers them differently, its labels are renumbered like those of
    the first dataset. mmengine's version requires all meta information to be equal, even the name
    of the dataset, and does not support class balancing or folds.

    The meta information is that of the first dataset.

    Args:
        datasets (Sequence): Datasets or their configs.
        lazy_init (bool): Whether to read the datasets later. Defaults to False.
        ignore_keys (str | Sequence[str]): Keys of the meta information that are not compared.
            Defaults to none.

    Raises:
        ValueError: Labels mean different things. The message names the datasets and a remedy.
    """

    def __init__(
        self,
        datasets: Sequence,
        lazy_init: bool = False,
        ignore_keys: str | Sequence[str] = (),
    ):
        ignored = (ignore_keys,) if isinstance(ignore_keys, str) else tuple(ignore_keys or ())
        self._compared = [key for key in _MEANINGS if key not in ignored]
        #: Position of each sample in the concatenation; None if no subset was selected.
        self.order: list[int] | None = None
        if not datasets:
            raise ValueError('ConcatDataset: datasets is empty')
        # Replaces mmengine's __init__, which compares all meta information, and does so before some
        # datasets know their classes.
        self.datasets = [DATASETS.build(d) if isinstance(d, dict) else d for d in datasets]
        self._metainfo = self.datasets[0].metainfo
        self._fully_initialized = False
        if not lazy_init:
            self.full_init()

    def full_init(self) -> None:
        """Read all datasets, check that labels mean the same, and number classes equally."""
        if self._fully_initialized:
            return
        super().full_init()
        self._metainfo = self.datasets[0].metainfo
        for number, dataset in enumerate(self.datasets[1:], start=1):
            for key in self._compared:
                if key != 'classes' or not self._number_alike(number):
                    self._compare(key, number, dataset.metainfo)

    def _number_alike(self, number: int) -> bool:
        """Number a dataset like the first one, if it has the same classes."""
        classes, others = (self.datasets[n].metainfo.get('classes') for n in (0, number))
        numbers = numbers_in(classes or (), others or ())
        if numbers is None:
            return False
        if numbers != list(range(len(numbers))):
            self.datasets[number] = renumbered(self.datasets[number], numbers, classes)
            pairs = [f'{other} as {classes[n]}' for other, n in zip(others, numbers, strict=True)]
            print_log(
                f'ConcatDataset: datasets[{number}] ({type(self.datasets[number]).__name__}) is '
                f'renumbered like datasets[0]: {short_list(pairs, most=20)}',
                'current',
            )
        return True

    def _compare(self, key: str, number: int, metainfo: dict) -> None:
        first, other = (_plain(info.get(key)) for info in (self._metainfo, metainfo))
        # A dataset without a task is compatible with any task. One without classes has other labels
        # than one with classes.
        if first == other or (key != 'classes' and None in (first, other)):
            return
        remedy = 'They cannot be concatenated'
        if key == 'classes' and first and other:
            both, keys = {}, [{class_key(name) for name in names} for names in (first, other)]
            for name in (*first, *other):
                both.setdefault(class_key(name), name)
            shared = [name for key, name in both.items() if key in keys[0] & keys[1]]
            remedy = f'Give all of them the same list in the config: classes={[*both.values()]}' + (
                f', or classes={shared}, which skips samples of other classes' if shared else ''
            )
        named = [type(self.datasets[place]).__name__ for place in (0, number)]
        raise ValueError(
            f'ConcatDataset: datasets[{number}] ({named[1]}) has the {key} {other}, datasets[0] '
            f'({named[0]}) has {first}, so labels do not mean the same. {remedy}'
        )

    # mmengine calls this in __getitem__ and get_data_info, and uses the length everywhere.

    def _get_ori_dataset_idx(self, idx: int) -> tuple[int, int]:
        return super()._get_ori_dataset_idx(idx if self.order is None else self.order[idx])

    def __len__(self) -> int:
        return super().__len__() if self.order is None else len(self.order)

    def get_cat_ids(self, idx: int) -> list[int]:
        """Return the classes of a sample."""
        dataset, within = self._get_ori_dataset_idx(idx)
        return self.datasets[dataset].get_cat_ids(within)

    def get_subset(self, indices: Sequence[int]) -> 'ConcatDataset':
        """Return a subset of the samples, for ``KFoldDataset``.

        The replacement of a bad image also comes from the subset: each inner dataset is reduced to
        its own selected samples.

        Args:
            indices (Sequence[int]): Samples to keep, in this order.
        """
        places = [self._get_ori_dataset_idx(index) for index in indices]
        chosen = [[w for d, w in places if d == number] for number in range(len(self.datasets))]
        used = [number for number, within in enumerate(chosen) if within]
        subset = copy.copy(self)
        subset._fully_initialized = False
        subset.order = None
        subset.datasets = [self.datasets[number].get_subset(chosen[number]) for number in used]
        subset.full_init()
        # Position of the next selected sample of each dataset.
        starts = dict(zip(used, (0, *subset.cumulative_sizes), strict=False))
        subset.order = []
        for number, _ in places:
            subset.order.append(starts[number])
            starts[number] += 1
        return subset


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, (list, tuple)) else value
