# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from collections.abc import Callable, Hashable, Iterable
from typing import TypeVar

from .face_dataset import EmptySplitError, FaceDataset
from .splits import stratified_holdout

_T = TypeVar('_T')


class HoldoutDataset(FaceDataset):
    """A dataset with two official lists: one for training and one for the reported result.

    Most papers also select the best epoch on the reported list. Instead, ``val_ratio`` holds out a
    validation split from the *training* list, the same samples on every machine. Set it in all
    datasets of the config.

    ============  =================================  ==============================
    split         ``val_ratio=0``                    ``val_ratio=.1``
    ============  =================================  ==============================
    ``train``     training list                      90 % of it
    ``val``       :attr:`REPORTED` or an error       the other 10 %
    ``trainval``  training list                      training list
    ``test``      :attr:`REPORTED` or an error       reported list
    ============  =================================  ==============================

    Args:
        data_root (str): Folder of the dataset, see the subclass.
        split (str): ``'train'``, ``'val'``, ``'trainval'`` or ``'test'``. Defaults to ``'train'``.
        val_ratio (float): Share of the training list to hold out, in [0, 1). Defaults to 0.
        **kwargs: Further arguments of :class:`FaceDataset`: ``pipeline``, ``classes``, …

    Raises:
        EmptySplitError: ``val_ratio`` is 0 and the split is neither of the two lists.
    """

    #: Split that papers report: ``'test'``, or ``'val'`` if the labels of the test set are not
    #: public.
    REPORTED = 'test'

    SHOWN = (*FaceDataset.SHOWN, 'val_ratio')

    def __init__(self, data_root: str, split: str = 'train', val_ratio: float = 0.0, **kwargs):
        if not 0 <= val_ratio < 1:
            raise ValueError(f'{type(self).__name__}: val_ratio must be in [0, 1), not {val_ratio}')
        self.split, self.val_ratio = split, val_ratio
        self.require_part()
        super().__init__(data_root, split, **kwargs)

    def require_part(self) -> None:
        """Raise an error if the split is neither list and nothing is held out."""
        if self.val_ratio == 0 and self.split in {'val', 'test'} - {self.REPORTED}:
            raise EmptySplitError(
                f'{type(self).__name__}: split={self.split!r} is empty with val_ratio=0: the '
                f"authors publish labels of 'train' and {self.REPORTED!r}, on which results are "
                'reported. Set val_ratio above 0 (such as .1) in *all* datasets of the config to '
                "hold out 'val' from the training list"
            )

    @property
    def official(self) -> str:
        """The official list that contains the split: ``'train'`` or :attr:`REPORTED`."""
        reported = 'test' if self.val_ratio else self.REPORTED
        return self.REPORTED if self.split == reported else 'train'

    def hold_out(
        self,
        items: Iterable[_T],
        name: Callable[[_T], str],
        label: Callable[[_T], Hashable] | None = None,
    ) -> list[_T]:
        """Return the items of an official list that belong to the split.

        Args:
            items (Iterable[_T]): The official list.
            name (Callable[[_T], str]): Identifier of an item, the same on every machine.
            label (Callable[[_T], Hashable], optional): Class of an item; the same share of each
                class is held out. Defaults to None, no classes. Items of one name have one class
                and stay together.

        Returns:
            All items, unless the split is a part of the training list.
        """
        items = list(items)
        if not self.val_ratio or self.split not in ('train', 'val'):
            return items
        labels = {name(item): label(item) if label else None for item in items}
        held_out = stratified_holdout([*labels], [*labels.values()], self.val_ratio)
        held_out = dict(zip(labels, held_out, strict=True))
        return [item for item in items if held_out[name(item)] == (self.split == 'val')]
