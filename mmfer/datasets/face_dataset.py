# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import itertools
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from mmpretrain.datasets import BaseDataset

from mmfer.categories import EXPRESSIONS
from mmfer.utils.short_list import short_lines, short_list

from .class_numbers import class_numbers, read_class_names
from .splits import SPLITS
from .tolerant_reading import TolerantReading
from .unmixed_copies import UnmixedCopies


class EmptySplitError(ValueError):
    """A dataset has no sample in the requested split."""


class FaceDataset(TolerantReading, UnmixedCopies, BaseDataset):
    """Base class of the face datasets on disk: splits, class numbers, errors, unreadable images.

    A subclass describes its folder in :attr:`LAYOUT` and reads it in :meth:`load_annotations`,
    which returns classes by name. This class numbers them in the order of ``classes``, which
    defaults to mmfer's order (:data:`mmfer.datasets.EXPRESSIONS`), not to the order in the files.
    Samples of a class that is not in ``classes`` are skipped, and the log states their number. So
    every dataset with classes can be read with a subset of them, or in another order. A name that
    is neither in the dataset nor in :attr:`known_classes` is an error.

    ============  =========================================
    split         images
    ============  =========================================
    ``train``     for training
    ``val``       for selecting the epoch and settings
    ``trainval``  both of them
    ``test``      for the reported result
    ============  =========================================

    In training, images that cannot be used are counted and replaced. In evaluation they are an
    error. See :class:`TolerantReading`.

    Args:
        data_root (str): Folder of the dataset, see the subclass.
        split (str): ``'train'``, ``'val'``, ``'trainval'`` or ``'test'``. Defaults to ``'train'``.
        pipeline (Sequence): Transforms, starting with ``LoadFaceImage``. Defaults to none.
        test_mode (bool, optional): Whether the first unreadable image is an error. Defaults to True
            for ``'val'`` and ``'test'``, else False.
        max_bad_images (int): Maximum number of unreadable images in training. Defaults to 10.
        **kwargs: Arguments of mmpretrain's ``BaseDataset``: ``classes``, ``metainfo``, ``indices``,
            ``serialize_data``, ``lazy_init``, ``max_refetch``.

    Raises:
        FileNotFoundError: A folder, list or image is missing. The message names it and shows the
            expected layout.
        ValueError: There are no samples, or an argument or a label is wrong.
    """

    METAINFO = dict(classes=EXPRESSIONS)

    #: Sketch of the files under ``data_root``. Shown in the error if one is missing.
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
        kwargs['classes'] = read_class_names(kwargs.get('classes'))
        self.split = self.require_one_of('split', split, SPLITS)
        self.max_bad_images = self.require_not_negative('max_bad_images', max_bad_images)
        super().__init__(
            ann_file='',
            data_root=os.path.expanduser(data_root),
            pipeline=pipeline,
            test_mode=split in ('val', 'test') if test_mode is None else test_mode,
            **kwargs,
        )

    # For subclasses to implement --------------------------------------------------------------

    def load_annotations(self) -> list[dict]:
        """Read the samples of the split from the dataset's files.

        Returns:
            One dict per sample with at least ``img_path`` and, if the dataset has classes,
            ``gt_label``: the name of a class, which may be missing in ``classes``.
        """
        raise NotImplementedError

    # For subclasses to use --------------------------------------------------------------------

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts of the split: one or two of ``'train'``, ``'val'`` and ``'test'``."""
        return ('train', 'val') if self.split == 'trainval' else (self.split,)

    def require_one_of(self, argument: str, value: Any, allowed: Sequence) -> Any:
        """Return the value, or raise a ValueError that lists the allowed values."""
        if value not in allowed:
            raise ValueError(
                f'{type(self).__name__}: {argument} must be one of {tuple(allowed)}, not {value!r}'
            )
        return value

    def require_not_negative(self, argument: str, value: float) -> float:
        """Return the value, or raise a ValueError if it is below 0."""
        if not value >= 0:
            raise ValueError(f'{type(self).__name__}: {argument} must be 0 or more, not {value!r}')
        return value

    def require_folder(self, path: Path) -> Path:
        """Return the path, or raise :meth:`missing` if it is not a folder."""
        if not path.is_dir():
            raise self.missing(f"the folder '{path}' does not exist")
        return path

    def require_file(self, path: Path) -> Path:
        """Return the path, or raise :meth:`missing` if it is not a file."""
        if not path.is_file():
            raise self.missing(f"the file '{path}' does not exist")
        return path

    def missing(self, what: str) -> FileNotFoundError:
        """Return an error that also shows the expected layout."""
        return FileNotFoundError(
            f'{type(self).__name__}: {what}\nExpected below data_root:\n{self.LAYOUT}\n'
            f'{self._where_to_set_it()}'
        )

    def empty(self, reason: str) -> EmptySplitError:
        """Return the error for a split without samples."""
        return EmptySplitError(f'{type(self).__name__}: split={self.split!r} is empty, {reason}')

    @property
    def known_classes(self) -> Iterable[str]:
        """Names allowed in ``classes`` in addition to the classes of the samples."""
        return self.METAINFO.get('classes', ())

    # Implementation ---------------------------------------------------------------------------

    def load_data_list(self) -> list[dict]:
        # Classes that the dataset collects from its own files need no check.
        given = bool(self._metainfo.get('classes'))
        samples = self._number_classes(self.load_annotations(), given)
        if not samples:
            raise self.empty(f"no sample in '{self.data_root}'. {self._where_to_set_it()}")
        self._require_images([sample['img_path'] for sample in samples])
        return samples

    def extra_repr(self) -> list[str]:
        return [f'{name}: \t{getattr(self, name)}' for name in self.SHOWN]

    def _number_classes(self, samples: list[dict], check: bool) -> list[dict]:
        """Replace class names by class numbers; skip samples of other classes."""
        classes = tuple(self._metainfo.get('classes') or ())
        found = (s['gt_label'] for s in samples if isinstance(s.get('gt_label'), str))
        known = itertools.chain(self.known_classes, found) if check else classes
        numbers = class_numbers(type(self).__name__, classes, known)
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
            named = short_list(classes, most=20)
            self.log(f'{skipped} samples are skipped, their class is not one of ({named})')
        return numbered

    def _require_images(self, paths: list[str]) -> None:
        # Listing each folder once is much faster than checking every file, mainly over a network.
        present = {}
        for folder in {os.path.dirname(path) for path in paths}:
            # The path of an image in '.' has no folder part.
            self.require_folder(Path(folder))
            present[folder] = set(os.listdir(folder or '.'))
        missing = [p for p in paths if os.path.basename(p) not in present[os.path.dirname(p)]]
        if missing:
            raise self.missing(
                f'{len(missing)} of {len(paths)} listed images are missing:{short_lines(missing)}'
            )

    def _where_to_set_it(self) -> str:
        return (
            f"data_root is '{self.data_root}' (that is '{os.path.abspath(self.data_root)}'). "
            'Set it in the config for train_dataloader, val_dataloader and test_dataloader, or '
            'link the dataset there; docs/datasets.md explains how to get it.'
        )
