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
from mmfer.utils.files_below import IMAGE, files_below, is_junk, media_kind, warn_skipped
from mmfer.utils.short_list import short_list

from .annotation_files import read_lines
from .class_numbers import class_key, read_class_names
from .determinism import random_transforms
from .tolerant_reading import TolerantReading
from .unmixed_copies import UnmixedCopies


@DATASETS.register_module()
class CustomDataset(TolerantReading, UnmixedCopies, _CustomDataset):
    """mmpretrain's ``CustomDataset``, with folders numbered by their names.

    * Hidden folders and system folders (:func:`is_junk`) are not classes. Hidden files and system
      files are not images.
    * A file is recognized as an image by its content, as in ``predict`` and the audit, so it needs
      no suffix. The log lists the files that are skipped.
    * If ``classes`` (or ``metainfo``) lists the names of the folders, they are numbered in that
      order; mmpretrain numbers them alphabetically. Case is ignored, and so is the choice between
      the usual names of an expression, such as ``happy`` and ``Happiness`` (:func:`.class_key`). So
      all splits of a dataset have the same numbers, even if a class is missing in one of them.
    * If every class in ``classes`` has a folder, images in other folders are skipped and counted in
      the log. So a subset of the classes can be selected, as in every dataset.
    * If no folder has one of these names, ``classes`` are new names for the folders in alphabetical
      order, as in mmpretrain.
    * In training, images that cannot be read are counted and replaced: :class:`TolerantReading`.

    Args:
        **kwargs: Arguments of mmpretrain's ``CustomDataset``.
        extensions (Sequence[str], optional): If given, only files with these suffixes are read.
            Defaults to all images.
        test_mode (bool, optional): Whether the first unreadable image is an error. Defaults to True
            if no transform of the pipeline is random, as in testing, so that a result is never
            computed on other images by mistake.
        max_bad_images (int): Maximum number of unreadable images in training. Defaults to 10.

    Raises:
        ValueError: Two folders match one class, a class has no folder while a folder matches no
            class, or a line of ``ann_file`` is malformed, contradicts another one, or has an
            invalid class number.
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
        skipped: list[Path] = []
        if not self.with_label:
            samples, folders, empty = self._images('', skipped), (), ()
        else:
            entries = backend.list_dir_or_file(self.img_prefix, list_file=False)
            folders = sorted(name for name in entries if not is_junk(name))
            classes = self.CLASSES or folders
            self.folder_to_idx = self._numbers(folders, classes)
            self._metainfo['classes'] = tuple(classes)
            images = {folder: self._images(folder, skipped) for folder in self.folder_to_idx}
            samples = [
                (backend.join_path(folder, file), self.folder_to_idx[folder])
                for folder, files in images.items()
                for file in files
            ]
            empty = [folder for folder, files in images.items() if not files]
            self._log_skipped([name for name in folders if name not in images], classes)
        warn_skipped(self._place(), skipped, self._only or [IMAGE])
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
                f'{count} samples are skipped, their folders ({short_list(folders)}) are not '
                f'among the classes ({short_list(classes, most=20)})',
                logging.WARNING,
            )

    def _images(self, folder: str, skipped: list[Path]) -> list[str]:
        """Return the relative paths of the images below a folder; add the rest to ``skipped``."""
        backend = get_file_backend(self.img_prefix, enable_singleton=True)
        place = backend.join_path(self.img_prefix, folder)
        if not isinstance(backend, LocalBackend):
            files = backend.list_dir_or_file(place, list_dir=False, recursive=True)
            return sorted(file for file in files if self.is_valid_file(file))
        images = []
        for path in files_below(place):
            wanted = super().is_valid_file(path.name)  # true for most: no need to open them
            wanted = wanted or (self._only is None and media_kind(path) == IMAGE)
            (images if wanted else skipped).append(path)
        return sorted(path.relative_to(place).as_posix() for path in images)

    def _numbers(self, folders: list[str], classes) -> dict[str, int]:
        """Return the class number of each folder."""
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
            what = 'several match one' if several else f'{short_list(unknown)} match none'
            raise ValueError(
                f'CustomDataset: of the folders {short_list(folders, most=20)} in {self._place()}, '
                f'{what} of the classes ({short_list(classes, most=20)}). Rename them, or move '
                'folders that are not classes elsewhere'
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
        """Whether a file has an image suffix, and neither the file nor a parent folder is junk."""
        parts = filename.replace('\\', '/').split('/')
        return super().is_valid_file(filename) and not any(map(is_junk, parts))

    def _place(self) -> str:
        return self.img_prefix or '.'


def _read_line(line: str) -> tuple[str, int]:
    try:
        name, label = line.strip().rsplit(maxsplit=1)
        return name, int(label)
    except ValueError as error:
        raise ValueError('not like "a/0.jpg 3" (file name and class number)') from error
