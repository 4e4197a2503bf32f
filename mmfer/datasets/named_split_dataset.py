# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import logging
import os
from collections.abc import Iterable

from .face_dataset import FaceDataset
from .splits import read_split_file, split_by_name


class NamedSplitDataset(FaceDataset):
    """A dataset whose authors give no split: a rule on the images' names, or a file, does.

    Args:
        data_root: Folder of the dataset, see the subclass.
        split: ``'train'``, ``'val'``, ``'trainval'`` or ``'test'``. Default ``'train'``.
        split_file: Somebody's own split: a text file with a line ``name,split`` for each image
            (:func:`~mmfer.datasets.splits.read_split_file`). Images that it does not name are
            skipped and counted in the log; a name without an image is an error. Default: the
            subclass's rule.
        **kwargs: Further arguments of :class:`FaceDataset`: ``pipeline``, ``test_mode``, …
    """

    SHOWN = (*FaceDataset.SHOWN, 'split_file')

    def __init__(
        self, data_root: str, split: str = 'train', split_file: str | None = None, **kwargs
    ):
        self.split_file = split_file
        super().__init__(data_root, split, **kwargs)

    # What a subclass writes ------------------------------------------------------------------

    def load_all(self) -> list[dict]:
        """Read the samples of all parts, as ``load_annotations`` of :class:`FaceDataset` does."""
        raise NotImplementedError

    def split_key(self, name: str) -> str:
        """What identifies an image in splits: the same for its path and for a name in a file.

        Raises:
            ValueError: The name cannot be one of this dataset's; says what it should look like.
        """
        raise NotImplementedError

    def parts_by_rule(self, keys: list[str]) -> dict[str, str]:
        """Part of each image when there is no ``split_file``."""
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
        return [
            sample
            for sample, key in zip(samples, keys, strict=True)
            if parts.get(key) in self.parts
        ]

    def _keys_of(self, samples: Iterable[dict]) -> list[str]:
        return [self.split_key(os.path.relpath(s['img_path'], self.data_root)) for s in samples]

    def _parts_of_file(self, keys: list[str]) -> dict[str, str]:
        parts = read_split_file(self.split_file, self.split_key)
        absent = sorted(set(parts).difference(keys))
        if absent:
            raise self.missing(
                f"{len(absent)} of the {len(parts)} images that '{self.split_file}' (split_file) "
                f'names are not there, the first is {absent[0]!r}'
            )
        unnamed = [key for key in keys if key not in parts]
        if unnamed:
            self.log(
                f"'{self.split_file}' names {len(parts)} of {len(keys)} images; the other "
                f'{len(unnamed)} are skipped, the first is {unnamed[0]!r}',
                logging.WARNING,
            )
        return parts
