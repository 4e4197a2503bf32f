# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""RAF-DB as it is on Kaggle: the crops in a folder for each label, ``DATASET/train/1`` to ``7``."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from .annotation_files import Statements, class_name, list_files, read_lines
from .face_dataset import FaceDataset

_DATASET, _PARTS = 'DATASET', ('train', 'test')


class FolderImage(NamedTuple):
    """An image by the name that the official list has, ``train_00001.jpg``."""

    name: str
    label: str
    path: Path


def find_folders(root: Path, numbers: Iterable[int]) -> Path | None:
    """The folder of ``train/1`` to ``test/7``, ``DATASET`` or ``root`` itself; None where neither
    has any of them.
    """
    places = (root / _DATASET, root)
    found = (p for p in places for part in _PARTS for n in numbers if (p / part / str(n)).is_dir())
    return next(found, None)


def read_folders(
    dataset: FaceDataset, place: Path, part: str, labels: Mapping[int, str]
) -> list[FolderImage]:
    """List the images of a part in the order of the official list.

    Where ``train_labels.csv`` or ``test_labels.csv`` lies in ``place`` or beside ``DATASET``, it
    has to say the same as the folders.

    Args:
        dataset (FaceDataset): In whose name errors are raised.
        place (Path): From :func:`find_folders`.
        part (str): ``'train'`` or ``'test'``.
        labels (Mapping[int, str]): What the folders' names mean.

    Raises:
        FileNotFoundError: A folder is missing.
        ValueError: An image is called otherwise or in two folders, or the table contradicts.
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
    """Refuse folders and a table that do not have the same images with the same labels."""

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
            f"'{path}' and the folders differ about {len({n for n, _ in differing})} images: "
            f'{name} is {label} by {where[0]}, not by {where[1]}. Unpack both anew, or remove the '
            'table if the folders are right'
        )
