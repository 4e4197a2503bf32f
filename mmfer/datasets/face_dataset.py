# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine.logging import print_log
from mmpretrain.datasets import BaseDataset

from mmfer.categories import EXPRESSIONS

from .splits import SPLITS
from .transforms.load_face_image import UnreadableImageError
from .unmixed_copies import UnmixedCopies

# So many names are enough to see what is wrong, more would hide the rest of the message.
_NAMED = 5


class EmptySplitError(ValueError):
    """A dataset has no sample in the requested split."""


class FaceDataset(UnmixedCopies, BaseDataset):
    """What all face datasets on disk share: splits, class numbers, errors, tolerant reading.

    A subclass describes its folder in :attr:`LAYOUT` and reads it in :meth:`load_annotations`,
    with classes by name. They are numbered here: in the order of ``classes``, which by default are
    mmfer's (:data:`mmfer.datasets.EXPRESSIONS`), not in that of the files. Samples of a class that
    ``classes`` does not name are skipped, and the log has their number; so a part of the classes,
    or another order, can be selected for every dataset with classes.

    ============  =========================================
    split         images
    ============  =========================================
    ``train``     for training
    ``val``       for selecting the epoch and settings
    ``trainval``  both of them
    ``test``      for the result
    ============  =========================================

    In training, an image that cannot be read is named in a warning, counted once however often it
    is met, and replaced by another one drawn at random; more than ``max_bad_images`` of them are an
    error that lists them. In evaluation (``test_mode``) the first one is an error, as a result on
    other images than the protocol's would not be one. The count is shared by the data loader's
    workers; every process of a distributed run counts for itself.

    Args:
        data_root: Folder of the dataset, see the subclass.
        split: ``'train'``, ``'val'``, ``'trainval'`` or ``'test'``. Default ``'train'``.
        pipeline: Transforms, starting with ``LoadFaceImage``. Default: none.
        test_mode: Whether an unreadable image is an error at once. Default: for ``'val'`` and
            ``'test'``.
        max_bad_images: Unreadable images tolerated in training. Default 10.
        **kwargs: Arguments of mmpretrain's ``BaseDataset``: ``classes``, ``metainfo``, ``indices``,
            ``serialize_data``, ``lazy_init``, ``max_refetch``.

    Raises:
        FileNotFoundError: A folder, list or image is missing; says which and shows the layout.
        ValueError: There are no samples, or an argument or a label is wrong.
    """

    METAINFO = dict(classes=EXPRESSIONS)

    #: The files under ``data_root`` as a person would draw them. Shown when one is missing.
    LAYOUT = ''

    #: Arguments that ``repr`` shows.
    SHOWN: Sequence[str] = ('data_root', 'split')

    def __init__(
        self,
        data_root: str,
        split: str = 'train',
        *,
        pipeline: Sequence = (),
        test_mode: bool | None = None,
        max_bad_images: int = 10,
        **kwargs,
    ):
        self.split = self.require_one_of('split', split, SPLITS)
        self.max_bad_images = self.require_not_negative('max_bad_images', max_bad_images)
        super().__init__(
            ann_file='',
            data_root=os.path.expanduser(data_root),
            pipeline=pipeline,
            test_mode=split in ('val', 'test') if test_mode is None else test_mode,
            **kwargs,
        )

    # What a subclass writes ------------------------------------------------------------------

    def load_annotations(self) -> list[dict]:
        """Read the samples of the split from the dataset's own files.

        Returns:
            One dict per sample with at least ``img_path``, and ``gt_label`` where there are
            classes: the name of one, which need not be among ``classes``.
        """
        raise NotImplementedError

    # What it can use -------------------------------------------------------------------------

    @property
    def parts(self) -> tuple[str, ...]:
        """What the split is made of: one or two of ``'train'``, ``'val'`` and ``'test'``."""
        return ('train', 'val') if self.split == 'trainval' else (self.split,)

    def require_one_of(self, argument: str, value: Any, allowed: Sequence) -> Any:
        """Return the value, or raise the ValueError that lists the allowed ones."""
        if value not in allowed:
            raise ValueError(
                f'{type(self).__name__}: {argument} must be one of {tuple(allowed)}, not {value!r}'
            )
        return value

    def require_not_negative(self, argument: str, value: float) -> float:
        """Return the value, or raise a ValueError."""
        if not value >= 0:
            raise ValueError(f'{type(self).__name__}: {argument} must be 0 or more, not {value!r}')
        return value

    def require_folder(self, path: Path) -> Path:
        """Return the path, or raise the error that shows the expected layout."""
        if not path.is_dir():
            raise self.missing(f"the folder '{path}' does not exist")
        return path

    def require_file(self, path: Path) -> Path:
        """Return the path, or raise the error that shows the expected layout."""
        if not path.is_file():
            raise self.missing(f"the file '{path}' does not exist")
        return path

    def missing(self, what: str) -> FileNotFoundError:
        """The error that shows the expected layout."""
        return FileNotFoundError(
            f'{type(self).__name__}: {what}\nExpected below data_root:\n{self.LAYOUT}\n'
            f'{self._where_to_set_it()}'
        )

    def empty(self, reason: str) -> EmptySplitError:
        """The error for a split without samples."""
        return EmptySplitError(f'{type(self).__name__}: split={self.split!r} is empty, {reason}')

    def log(self, message: str, level: int = logging.INFO) -> None:
        """Log a message in the name of the dataset and the split."""
        print_log(f'{type(self).__name__}, {self.split}: {message}', 'current', level)

    # What happens around it ------------------------------------------------------------------

    def load_data_list(self) -> list[dict]:
        samples = self._number_classes(self.load_annotations())
        if not samples:
            raise self.empty(f"no sample in '{self.data_root}'. {self._where_to_set_it()}")
        self._require_images([sample['img_path'] for sample in samples])
        return samples

    def full_init(self) -> None:
        if not self._fully_initialized:
            super().full_init()
            self._forget_bad_images()

    def get_subset_(self, indices: Sequence[int] | int) -> None:
        super().get_subset_(indices)
        self._forget_bad_images()

    def get_subset(self, indices: Sequence[int] | int) -> 'FaceDataset':
        subset = super().get_subset(indices)
        subset._forget_bad_images()
        return subset

    def prepare_data(self, idx: int) -> dict | None:
        """Run the pipeline on one sample; None makes mmengine's ``BaseDataset`` draw another."""
        try:
            return super().prepare_data(idx)
        except UnreadableImageError as error:
            if self.test_mode:
                raise
            self._note_bad_image(idx, str(error))
            return None

    def extra_repr(self) -> list[str]:
        return [f'{name}: \t{getattr(self, name)}' for name in self.SHOWN]

    def _number_classes(self, samples: list[dict]) -> list[dict]:
        """Replace names of classes by their numbers; skip samples of other classes."""
        classes = tuple(self._metainfo.get('classes', ()))
        numbers = {name: number for number, name in enumerate(classes)}
        numbered = []
        for sample in samples:
            name = sample.get('gt_label')
            if isinstance(name, str):
                if name not in numbers:
                    continue
                sample['gt_label'] = numbers[name]
            numbered.append(sample)
        if len(numbered) < len(samples):
            skipped = len(samples) - len(numbered)
            self.log(f'{skipped} samples are skipped, their class is none of {classes}')
        return numbered

    def _forget_bad_images(self) -> None:
        # One flag a sample in shared memory: forked workers write to the same flags, and setting
        # one twice is harmless, so no lock is needed and repeats are not counted again.
        self._bad_images = torch.zeros(len(self), dtype=torch.bool).share_memory_()

    def _note_bad_image(self, idx: int, message: str) -> None:
        if not self._bad_images[idx]:
            self._bad_images[idx] = True
            self.log(f'{message}; training goes on without it', logging.WARNING)
        # Of a copy: nonzero() counts, then lists, and other workers set flags meanwhile.
        bad = self._bad_images.clone().nonzero().flatten().tolist()
        if len(bad) > self.max_bad_images:
            paths = '\n  '.join(self.get_data_info(i)['img_path'] for i in bad)
            raise RuntimeError(
                f'{len(bad)} images of {type(self).__name__} cannot be read, max_bad_images='
                f'{self.max_bad_images} are tolerated. Repair or remove these, or raise '
                f'max_bad_images of the dataset in the config:\n  {paths}'
            )

    def _require_images(self, paths: list[str]) -> None:
        # One listing a folder is much quicker than asking for every file, above all over a network.
        present = {}
        for folder in {os.path.dirname(path) for path in paths}:
            self.require_folder(Path(folder))
            present[folder] = set(os.listdir(folder))
        missing = [p for p in paths if os.path.basename(p) not in present[os.path.dirname(p)]]
        if missing:
            named = ''.join(f'\n  {path}' for path in missing[:_NAMED])
            more = f'\n  and {len(missing) - _NAMED} more' if len(missing) > _NAMED else ''
            raise self.missing(
                f'{len(missing)} of {len(paths)} listed images are missing:{named}{more}'
            )

    def _where_to_set_it(self) -> str:
        return (
            f"data_root is '{self.data_root}' (that is '{os.path.abspath(self.data_root)}'). "
            'Set it in the config for train_dataloader, val_dataloader and test_dataloader, or '
            'link the dataset there; docs/datasets.md tells how to get it.'
        )
