# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import logging
import math
import os
from collections.abc import Sequence
from pathlib import Path

from mmengine.fileio import LocalBackend, get_file_backend
from mmengine.logging import print_log
from mmpretrain.datasets import CustomDataset as _CustomDataset

from mmfer.registry import DATASETS
from mmfer.utils.checks import check_count
from mmfer.utils.files_below import IMAGE, files_below, is_junk, media_kind, warn_left_out
from mmfer.utils.short_list import short_list

from .annotation_files import read_lines
from .class_numbers import class_key, read_class_names
from .determinism import random_transforms
from .tolerant_reading import TolerantReading
from .unmixed_copies import UnmixedCopies


@DATASETS.register_module()
class CustomDataset(TolerantReading, UnmixedCopies, _CustomDataset):
    """mmpretrain's ``CustomDataset``, with folders numbered by their names.

    * Hidden folders and those of operating systems (:func:`is_junk`) are not classes, and such
      files are not images.
    * A file is an image by its content, as in ``predict`` and the audit, also without a suffix. The
      log names the files that are left out.
    * If ``classes`` (or ``metainfo``) lists the names of the folders, they are numbered in that
      order; mmpretrain numbers them alphabetically. Upper and lower case are the same, and so are
      the usual names of an expression, as ``happy`` and ``Happiness`` (:func:`.class_key`). So all
      parts of a dataset have the same numbers, even if a class is missing in one of them.
    * If each of ``classes`` has a folder, images in other folders are skipped and counted in the
      log, so a subset of the classes can be selected, as in every dataset.
    * If no folder has one of these names, ``classes`` are new names for the folders in alphabetical
      order, as in mmpretrain.
    * Images that cannot be read are counted and replaced in training: :class:`TolerantReading`.

    Args:
        **kwargs: mmpretrain's.
        extensions (Sequence[str], optional): Suffixes of the only files to take. Defaults to all
            images.
        test_mode (bool, optional): Whether an unreadable image is an error at once. Default: where
            nothing in the pipeline is random, as in testing, so that no result is of other images
            by mistake.
        max_bad_images (int): Unreadable images tolerated in training. Defaults to 10.

    Raises:
        ValueError: Two folders are called like one class, or, where one class has a folder and
            another has none, a folder like no class; a line of ``ann_file`` is wrong, contradicts
            another one, or has the number of no class.
    """

    def __init__(
        self,
        *args,
        extensions: Sequence[str] | None = None,
        test_mode: bool | None = None,
        max_bad_images: int = 10,
        **kwargs,
    ):
        self._only = extensions
        if extensions is not None:
            kwargs['extensions'] = extensions
        self.max_bad_images = check_count('CustomDataset: max_bad_images', max_bad_images, 0)
        kwargs['classes'] = read_class_names(kwargs.get('classes'))
        super().__init__(*args, test_mode=bool(test_mode), **kwargs)
        if test_mode is None:
            self.test_mode = not random_transforms(self.pipeline.transforms)

    def _find_samples(self) -> list:
        backend = get_file_backend(self.img_prefix, enable_singleton=True)
        left_out: list[Path] = []
        if not self.with_label:
            samples, folders, empty = self._images('', left_out), (), ()
        else:
            entries = backend.list_dir_or_file(self.img_prefix, list_file=False)
            folders = sorted(name for name in entries if not is_junk(name))
            classes = self.CLASSES or folders
            self.folder_to_idx = self._numbers(folders, classes)
            self._metainfo['classes'] = tuple(classes)
            images = {folder: self._images(folder, left_out) for folder in self.folder_to_idx}
            samples = [
                (backend.join_path(folder, file), self.folder_to_idx[folder])
                for folder, files in images.items()
                for file in files
            ]
            empty = [folder for folder, files in images.items() if not files]
            self._log_skipped([name for name in folders if name not in images], classes)
        warn_left_out(self._place(), left_out, self._only or [IMAGE])
        endings = ', '.join(sorted(self.extensions)) if self._only else 'by suffix or content'
        if not samples:
            where = f'the folders {short_list(folders)} of ' if self.with_label else ''
            raise RuntimeError(f'no image ({endings}) in {where}{self._place()}')
        if empty:
            what = f'no image ({endings}) in the folders {short_list(empty)} of {self._place()}'
            print_log(f'CustomDataset: {what}', 'current', logging.WARNING)
        return samples

    def _log_skipped(self, folders: list[str], classes: Sequence[str]) -> None:
        if folders:
            count = sum(len(self._images(folder, [])) for folder in folders)
            self.log(
                f'{count} samples are skipped, their folders ({short_list(folders)}) are none of '
                f'the classes ({short_list(classes, most=20)})',
                logging.WARNING,
            )

    def _images(self, folder: str, left_out: list[Path]) -> list[str]:
        """Images in a folder and in all below it, by their paths in it; notes what is none."""
        backend = get_file_backend(self.img_prefix, enable_singleton=True)
        place = backend.join_path(self.img_prefix, folder)
        if not isinstance(backend, LocalBackend):
            files = backend.list_dir_or_file(place, list_dir=False, recursive=True)
            return sorted(file for file in files if self.is_valid_file(file))
        images = []
        for path in files_below(place):
            wanted = super().is_valid_file(path.name)  # most are, and need not be opened
            wanted = wanted or (self._only is None and media_kind(path) == IMAGE)
            (images if wanted else left_out).append(path)
        return sorted(path.relative_to(place).as_posix() for path in images)

    def _numbers(self, folders: list[str], classes) -> dict[str, int]:
        """The number of each folder."""
        numbers = {class_key(name): number for number, name in enumerate(classes)}
        numbers.update((str(name).casefold(), number) for number, name in enumerate(classes))
        known = {
            name: numbers[key]
            for name in folders
            for key in (class_key(name), name.casefold())  # the name itself, if it is a class
            if key in numbers
        }
        if not known and len(folders) == len(classes):
            return {name: number for number, name in enumerate(folders)}
        unknown = [name for name in folders if name not in known]
        several = len(set(known.values())) < len(known)
        if several or (unknown and len(known) < len(classes)):
            what = 'several are of one' if several else f'{short_list(unknown)} are none'
            raise ValueError(
                f'CustomDataset: of the folders {short_list(folders, most=20)} in {self._place()}, '
                f'{what} of its classes ({short_list(classes, most=20)}). Take folders that are no '
                'classes away, or rename them'
            )
        return known

    def load_data_list(self) -> list[dict]:
        samples = self._read_list() if os.path.isfile(self.ann_file) else super().load_data_list()
        count = len(self.CLASSES) if self.CLASSES else math.inf
        for sample in samples if self.with_label else ():
            if not 0 <= sample['gt_label'] < count:
                raise ValueError(
                    f'CustomDataset: {self.ann_file} gives {sample["img_path"]} the label '
                    f'{sample["gt_label"]}; classes are numbered from 0: '
                    + short_list(self.CLASSES or (), most=20)
                )
        return samples

    def _read_list(self) -> list[dict]:
        if not self.with_label:
            lines = read_lines(self.ann_file, lambda line: (line.strip(),))
        else:
            lines = read_lines(self.ann_file, _read_line, statement=tuple)
        join_path = get_file_backend(self.img_prefix, enable_singleton=True).join_path
        keys = ('img_path', 'gt_label')
        return [
            dict(zip(keys, (join_path(self.img_prefix, name), *label), strict=False))
            for name, *label in lines
        ]

    def is_valid_file(self, filename: str) -> bool:
        """Whether a file is an image, and neither it nor a folder that it is in is junk."""
        parts = filename.replace('\\', '/').split('/')
        return super().is_valid_file(filename) and not any(map(is_junk, parts))

    def _place(self) -> str:
        return self.img_prefix or '.'


def _read_line(line: str) -> tuple[str, int]:
    try:
        name, label = line.strip().rsplit(maxsplit=1)
        return name, int(label)
    except ValueError as error:
        raise ValueError('not like "a/0.jpg 3", with the number of a class') from error
