# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from collections.abc import Callable, Hashable, Iterable
from typing import TypeVar

from .face_dataset import EmptySplitError, FaceDataset
from .splits import stratified_holdout

_T = TypeVar('_T')


class HoldoutDataset(FaceDataset):
    """A dataset of two official lists: one to train on and one to report.

    Most papers also select the best epoch on the list that they report. ``val_ratio`` takes a
    validation part out of the *training* list instead, the same samples on every machine. Set it in
    all datasets of the config.

    ============  =================================  ==============================
    split         ``val_ratio=0``                    ``val_ratio=.1``
    ============  =================================  ==============================
    ``train``     training list                      90 % of it
    ``val``       :attr:`REPORTED` or an error       the other 10 %
    ``trainval``  training list                      training list
    ``test``      :attr:`REPORTED` or an error       list that is reported
    ============  =================================  ==============================

    Args:
        data_root (str): Folder of the dataset, see the subclass.
        split (str): ``'train'``, ``'val'``, ``'trainval'`` or ``'test'``. Defaults to ``'train'``.
        val_ratio (float): Share of the training list to hold out, in [0, 1). Defaults to 0.
        **kwargs: Further arguments of :class:`FaceDataset`: ``pipeline``, ``classes``, …

    Raises:
        EmptySplitError: ``val_ratio`` is 0 and the split is neither list.
    """

    #: What the authors call the list that is reported: ``'test'``, or ``'val'`` where the labels of
    #: the test set are not public.
    REPORTED = 'test'

    SHOWN = (*FaceDataset.SHOWN, 'val_ratio')

    def __init__(self, data_root: str, split: str = 'train', val_ratio: float = 0.0, **kwargs):
        if not 0 <= val_ratio < 1:
            raise ValueError(f'{type(self).__name__}: val_ratio must be in [0, 1), not {val_ratio}')
        self.split, self.val_ratio = split, val_ratio
        self.require_part()
        super().__init__(data_root, split, **kwargs)

    def require_part(self) -> None:
        """Refuse a split that is neither list while nothing is held out."""
        if self.val_ratio == 0 and self.split in {'val', 'test'} - {self.REPORTED}:
            raise EmptySplitError(
                f'{type(self).__name__}: split={self.split!r} is empty with val_ratio=0: the '
                f"authors publish labels of 'train' and {self.REPORTED!r}, on which results are "
                'reported. val_ratio above 0 (such as .1) in *all* datasets of the config takes '
                "'val' out of the training list"
            )

    @property
    def official(self) -> str:
        """The list that the split is a part of: ``'train'`` or :attr:`REPORTED`."""
        reported = 'test' if self.val_ratio else self.REPORTED
        return self.REPORTED if self.split == reported else 'train'

    def hold_out(
        self,
        items: Iterable[_T],
        name: Callable[[_T], str],
        label: Callable[[_T], Hashable] | None = None,
    ) -> list[_T]:
        """Keep those of the training list that belong to the split.

        Args:
            items (Iterable[_T]): The official list.
            name (Callable[[_T], str]): What identifies an item, the same on every machine.
            label (Callable[[_T], Hashable], optional): Class of an item; the same share of each is
                held out. Defaults to no classes. Items of one name are of one class and stay
                together.

        Returns:
            All items, unless the split is one of the two parts of the training list.
        """
        items = list(items)
        if not self.val_ratio or self.split not in ('train', 'val'):
            return items
        labels = {name(item): label(item) if label else None for item in items}
        held_out = stratified_holdout([*labels], [*labels.values()], self.val_ratio)
        held_out = dict(zip(labels, held_out, strict=True))
        return [item for item in items if held_out[name(item)] == (self.split == 'val')]
