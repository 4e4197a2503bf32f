# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import logging
import os
from collections.abc import Sequence
from pathlib import Path

import torch
from mmengine.logging import print_log
from mmpretrain.datasets import BaseDataset

from mmfer.categories import EXPRESSIONS

from .transforms.load_face_image import UnreadableImageError
from .unmixed_copies import UnmixedCopies

# So many names are enough to see what is wrong, more would hide the rest of the message.
_NAMED = 5


class EmptySplitError(ValueError):
    """A dataset has no sample in the split that was asked for."""


class FaceDataset(UnmixedCopies, BaseDataset):
    """What all face datasets on disk share: class names, precise errors, tolerant reading.

    A subclass describes its folder in :attr:`LAYOUT` and reads it in :meth:`load_annotations`.

    Reading: in training, an image that cannot be read is named in a warning, counted once however
    often it is met, and replaced by another one drawn at random; more than ``max_bad_images`` of
    them are an error that lists them. In evaluation (``test_mode``) the first one is an error, as a
    result on other images than the protocol's would not be one. The count is shared by the data
    loader's workers; every process of a distributed run counts for itself.

    Args:
        data_root: Folder of the dataset, see the subclass.
        pipeline: Transforms, starting with ``LoadFaceImage``. Default: none.
        test_mode: Whether bad images are errors at once. Default False.
        max_bad_images: Bad images tolerated in training. Default 10.
        **kwargs: Arguments of mmengine's ``BaseDataset``: ``metainfo``, ``indices``,
            ``serialize_data``, ``lazy_init``, ``max_refetch``.

    Raises:
        FileNotFoundError: A folder, list or image is missing; says which and shows the layout.
        ValueError: There are no samples, or an argument or a label is wrong.
    """

    METAINFO = dict(classes=EXPRESSIONS)

    #: The files under ``data_root`` as a person would draw them. Shown when one is missing.
    LAYOUT = ''

    def __init__(
        self,
        data_root: str,
        pipeline: Sequence = (),
        test_mode: bool = False,
        max_bad_images: int = 10,
        **kwargs,
    ):
        if max_bad_images < 0:
            raise ValueError(
                f'{type(self).__name__}: max_bad_images must be 0 or more, not {max_bad_images}'
            )
        self.max_bad_images = max_bad_images
        super().__init__(
            ann_file='',
            data_root=os.path.expanduser(data_root),
            pipeline=pipeline,
            test_mode=test_mode,
            **kwargs,
        )

    # What a subclass writes ------------------------------------------------------------------

    def load_annotations(self) -> list[dict]:
        """Read the dataset's own files.

        Returns:
            One dict a sample with at least ``img_path`` and, for classification, ``gt_label``.
        """
        raise NotImplementedError

    # What it can use -------------------------------------------------------------------------

    def require_folder(self, path: Path) -> Path:
        """Return the path, or raise the error that shows the expected layout."""
        if not path.is_dir():
            raise self._missing(f"the folder '{path}' does not exist")
        return path

    def require_file(self, path: Path) -> Path:
        """Return the path, or raise the error that shows the expected layout."""
        if not path.is_file():
            raise self._missing(f"the file '{path}' does not exist")
        return path

    # What happens around it ------------------------------------------------------------------

    def load_data_list(self) -> list[dict]:
        samples = self.load_annotations()
        if not samples:
            raise EmptySplitError(
                f"{type(self).__name__} is empty: no sample of this split in '{self.data_root}'. "
                f'{self._where_to_set_it()}'
            )
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
        return [f'Root: \t{self.data_root}']

    def _forget_bad_images(self) -> None:
        # One flag a sample in shared memory: forked workers write to the same flags, and setting
        # one twice is harmless, so no lock is needed and repeats are not counted again.
        self._bad_images = torch.zeros(len(self), dtype=torch.bool).share_memory_()

    def _note_bad_image(self, idx: int, message: str) -> None:
        if not self._bad_images[idx]:
            self._bad_images[idx] = True
            print_log(f'{message}; training goes on without it', 'current', logging.WARNING)
        bad = self._bad_images.nonzero().flatten().tolist()
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
            raise self._missing(
                f'{len(missing)} of {len(paths)} listed images are missing:{named}{more}'
            )

    def _missing(self, what: str) -> FileNotFoundError:
        return FileNotFoundError(
            f'{type(self).__name__}: {what}\nExpected below data_root:\n{self.LAYOUT}\n'
            f'{self._where_to_set_it()}'
        )

    def _where_to_set_it(self) -> str:
        return (
            f"data_root is '{self.data_root}' (that is '{os.path.abspath(self.data_root)}'). "
            'Set it in the config for train_dataloader, val_dataloader and test_dataloader, or '
            'link the dataset there; docs/datasets.md tells how to get it.'
        )
