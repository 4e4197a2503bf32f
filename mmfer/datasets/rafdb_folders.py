# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""RAF-DB as on Kaggle: the crops in one folder per label, ``DATASET/train/1`` to ``7``."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from .annotation_files import Statements, class_name, list_files, read_lines
from .face_dataset import FaceDataset

_DATASET, _PARTS = 'DATASET', ('train', 'test')


class FolderImage(NamedTuple):
    """An image with its name in the official list, such as ``train_00001.jpg``."""

    name: str
    label: str
    path: Path


def find_folders(root: Path, numbers: Iterable[int]) -> Path | None:
    """Return the folder that contains ``train/1`` to ``test/7``: ``DATASET``, ``root``, or None."""
    places = (root / _DATASET, root)
    found = (p for p in places for part in _PARTS for n in numbers if (p / part / str(n)).is_dir())
    return next(found, None)


def read_folders(
    dataset: FaceDataset, place: Path, part: str, labels: Mapping[int, str]
) -> list[FolderImage]:
    """List the images of a split in the order of the official list.

    If ``train_labels.csv`` or ``test_labels.csv`` is in ``place`` or next to ``DATASET``, it must
    agree with the folders.

    Args:
        dataset (FaceDataset): The dataset, for error messages.
        place (Path): Folder from :func:`find_folders`.
        part (str): ``'train'`` or ``'test'``.
        labels (Mapping[int, str]): Meaning of the folder names.

    Raises:
        FileNotFoundError: A folder is missing.
        ValueError: An image has an unknown name or is in two folders, or the table contradicts the
            folders.
    """
    found, statements = [], Statements()
    for number, label in labels.items():
        folder = dataset.require_folder(place / part / str(number))
        for path in list_files(folder):
            if not re.fullmatch(rf'{part}_\d+(_aligned)?', path.stem):
                raise ValueError(
                    f"{type(dataset).__name__}: '{path}' is not named like {part}_00001_aligned.jpg"
                )
            name = f'{path.stem.removesuffix("_aligned")}.jpg'
            try:
                statements.add(name, label, f"'{folder}'")
            except ValueError as error:
                raise ValueError(f"'{path}' {error}") from error
            found.append(FolderImage(name, label, path))
    found.sort()
    for folder in (place, *([place.parent] if place.name == _DATASET else ())):
        if (path := folder / f'{part}_labels.csv').is_file():
            _compare(path, found, labels)
    return found


def _compare(path: Path, found: list[FolderImage], labels: Mapping[int, str]) -> None:
    """Raise an error if the folders and a table differ in images or labels."""

    def parse(line: str) -> tuple[str, str] | None:
        name, _, label = line.strip().rpartition(',')
        if (name, label) == ('image', 'label'):
            return None
        return f'{Path(name).stem.removesuffix("_aligned")}.jpg', class_name(label, labels)

    listed = {entry for entry in read_lines(path, parse, tuple) if entry}
    in_folders = {(image.name, image.label) for image in found}
    differing = sorted(listed ^ in_folders)
    if differing:
        name, label = differing[0]
        where = (
            ('the table', 'the folders') if differing[0] in listed else ('a folder', 'the table')
        )
        raise ValueError(
            f"'{path}' and the folders differ in {len({n for n, _ in differing})} images: "
            f'{name} is {label} in {where[0]}, not in {where[1]}. Unpack both again, or remove the '
            'table if the folders are right'
        )
