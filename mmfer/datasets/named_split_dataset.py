# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import logging
import os
from collections.abc import Iterable

from mmengine.logging import print_log

from .face_dataset import FaceDataset
from .splits import SPLITS, read_split_file, split_by_name


class NamedSplitDataset(FaceDataset):
    """A dataset whose authors give no split: a rule on the pictures' names, or a file, does.

    ============  ===================================
    split         pictures
    ============  ===================================
    ``train``     for training
    ``val``       for choosing the epoch and settings
    ``trainval``  both of them
    ``test``      for the result
    ============  ===================================

    Args:
        data_root: Folder of the dataset, see the subclass.
        split: ``'train'``, ``'val'``, ``'trainval'`` or ``'test'``. Default ``'train'``.
        split_file: Somebody's own split: a text file with a line ``name,split`` for each picture
            (:func:`~mmfer.datasets.splits.read_split_file`). Pictures that it does not name are
            left out and counted in the log; a name without a picture is an error. Default: the
            subclass's rule.
        test_mode: Whether an unreadable image is an error at once. Default: for ``'val'`` and
            ``'test'``.
        **kwargs: Further arguments of :class:`FaceDataset`: ``pipeline``, ``max_bad_images``, …
    """

    def __init__(
        self,
        data_root: str,
        split: str = 'train',
        split_file: str | None = None,
        test_mode: bool | None = None,
        **kwargs,
    ):
        if split not in SPLITS:
            raise ValueError(f'{type(self).__name__}: split must be one of {SPLITS}, not {split!r}')
        self.split = split
        self.split_file = split_file
        if test_mode is None:
            test_mode = split in ('val', 'test')
        super().__init__(data_root=data_root, test_mode=test_mode, **kwargs)

    # What a subclass writes ------------------------------------------------------------------

    def load_all(self) -> list[dict]:
        """Read the samples of all parts, as ``load_annotations`` of :class:`FaceDataset` does."""
        raise NotImplementedError

    def split_key(self, name: str) -> str:
        """What identifies a picture in splits: the same for its path and for a name in a file.

        Raises:
            ValueError: The name cannot be one of this dataset's; says what it should look like.
        """
        raise NotImplementedError

    def parts_by_rule(self, keys: list[str]) -> dict[str, str]:
        """Part of each picture when there is no ``split_file``."""
        return {key: split_by_name(key) for key in keys}

    # What it offers --------------------------------------------------------------------------

    def split_keys(self) -> list[str]:
        """What identifies each sample in a split file, in the order of the samples."""
        return self._keys_of(self.get_data_info(index) for index in range(len(self)))

    # What happens around it ------------------------------------------------------------------

    def load_annotations(self) -> list[dict]:
        samples = self.load_all()
        keys = self._keys_of(samples)
        parts = self._parts_of_file(keys) if self.split_file else self.parts_by_rule(keys)
        wanted = ('train', 'val') if self.split == 'trainval' else (self.split,)
        return [
            sample for sample, key in zip(samples, keys, strict=True) if parts.get(key) in wanted
        ]

    def _keys_of(self, samples: Iterable[dict]) -> list[str]:
        return [self.split_key(os.path.relpath(s['img_path'], self.data_root)) for s in samples]

    def _parts_of_file(self, keys: list[str]) -> dict[str, str]:
        parts = read_split_file(self.split_file, self.split_key)
        absent = sorted(set(parts).difference(keys))
        if absent:
            raise self._missing(
                f"{len(absent)} of the {len(parts)} pictures that '{self.split_file}' (split_file) "
                f'names are not there, the first is {absent[0]!r}'
            )
        unnamed = [key for key in keys if key not in parts]
        if unnamed:
            print_log(
                f"{type(self).__name__}: '{self.split_file}' names {len(parts)} of {len(keys)} "
                f'pictures; the other {len(unnamed)} are left out, {unnamed[0]!r} is the first',
                'current',
                logging.WARNING,
            )
        return parts

    def extra_repr(self) -> list[str]:
        lines = [*super().extra_repr(), f'Split: \t{self.split}']
        return [*lines, f'Split file: \t{self.split_file}'] if self.split_file else lines
