# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import logging
from collections.abc import Sequence
from typing import Any

import torch
from mmengine.logging import print_log

from mmfer.utils.short_list import short_lines

from .transforms.annotation_check import AnnotationError
from .transforms.load_face_image import UnreadableImageError

_LISTED = 20


class TolerantReading:
    """Mixin for MMEngine's ``BaseDataset`` that handles images that cannot be used.

    An image is bad if it cannot be read, or if its box or points cannot belong to it. In training,
    a bad image is named in a warning, counted once, and replaced by another one drawn at random.
    More than :attr:`max_bad_images` of them, or only bad images, are an error that lists them. In
    evaluation (``test_mode``) the first bad image is an error, because a result on other images
    than the protocol's would be invalid. The count is shared by the data loader's workers; every
    process of a distributed run has its own count.
    """

    #: Maximum number of bad images in training.
    max_bad_images: int

    def log(self, message: str, level: int = logging.INFO) -> None:
        """Log a message with the name of the dataset and, if any, the split."""
        split = f', {self.split}' if hasattr(self, 'split') else ''
        print_log(f'{type(self).__name__}{split}: {message}', 'current', level)

    def full_init(self) -> None:
        if not self._fully_initialized:
            super().full_init()
            self._forget_bad_images()

    def get_subset_(self, indices: Sequence[int] | int) -> None:
        super().get_subset_(indices)
        self._forget_bad_images()

    def get_subset(self, indices: Sequence[int] | int) -> Any:
        subset = super().get_subset(indices)
        subset._forget_bad_images()
        return subset

    def prepare_data(self, idx: int) -> Any:
        """Run the pipeline on one sample; return None to let ``BaseDataset`` draw another."""
        try:
            return super().prepare_data(idx)
        except (UnreadableImageError, AnnotationError) as error:
            if self.test_mode:
                raise
            self._note_bad_image(idx, str(error))
            return None

    def __getitem__(self, idx: int) -> Any:
        try:
            return super().__getitem__(idx)
        except Exception as error:
            if type(error) is not Exception:
                raise
            # mmengine's own error, after max_refetch samples, or after the first one in evaluation.
            bad = int(self._bad_images.sum())
            raise RuntimeError(
                f'{type(self).__name__}: no sample could be prepared ({error}). Its pipeline '
                f"returned None, the last time for '{self.get_data_info(idx)['img_path']}' or "
                f'another of {len(self)} samples, of which {bad} cannot be read. Find the '
                'transform of the pipeline that returns None'
            ) from error

    def _forget_bad_images(self) -> None:
        # One flag per sample in shared memory: forked workers write to the same flags. Setting a
        # flag twice is harmless, so no lock is needed and repeats are not counted again.
        self._bad_images = torch.zeros(len(self), dtype=torch.bool).share_memory_()

    def _note_bad_image(self, idx: int, message: str) -> None:
        if not self._bad_images[idx]:
            self._bad_images[idx] = True
            self.log(f'{message}; training continues without it', logging.WARNING)
        # On a copy: nonzero() counts, then lists, and other workers may set flags in between.
        bad = self._bad_images.clone().nonzero().flatten().tolist()
        if len(bad) > self.max_bad_images or len(bad) == len(self):
            paths = [self.get_data_info(i)['img_path'] for i in bad]
            every = 'all ' if len(bad) == len(self) else ''
            raise RuntimeError(
                f'{every}{len(bad)} images of {type(self).__name__} cannot be used, max_bad_images='
                f'{self.max_bad_images} are allowed. Repair or remove them, or increase '
                f'max_bad_images of the dataset in the config. The last one: {message}. All:'
                + short_lines(paths, most=_LISTED)
            )
