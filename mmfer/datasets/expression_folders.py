# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from collections.abc import Mapping
from pathlib import Path

from mmfer.categories import EXPRESSION_SYNONYMS, EXPRESSIONS
from mmfer.utils.files_below import is_junk
from mmfer.utils.short_list import short_list

from .annotation_files import list_files
from .face_dataset import FaceDataset

#: Names of folders (in lower case) and what they mean.
EXPRESSION_FOLDERS = dict(
    sorted({**{name.lower(): name for name in EXPRESSIONS}, **EXPRESSION_SYNONYMS}.items())
)


def known_folders(dataset: FaceDataset, place: Path, remedy: str) -> dict[str, str]:
    """Class of each folder in ``place`` by :data:`EXPRESSION_FOLDERS`, in alphabetical order.

    Junk (:func:`.is_junk`) is skipped.

    Args:
        dataset (FaceDataset): In whose name errors are raised.
        place (Path): Where the folders are.
        remedy (str): What to do about a folder with another name.

    Raises:
        ValueError: A folder has another name.
    """
    present = sorted(p.name for p in place.iterdir() if p.is_dir() and not is_junk(p.name))
    unknown = [folder for folder in present if folder.lower() not in EXPRESSION_FOLDERS]
    if unknown:
        raise ValueError(
            f"{type(dataset).__name__}: '{place}' has the folders {short_list(unknown)}; known are "
            f'{tuple(EXPRESSION_FOLDERS)}. {remedy}, or move them elsewhere'
        )
    return {folder: EXPRESSION_FOLDERS[folder.lower()] for folder in present}


def read_folders(dataset: FaceDataset, place: Path, folders: Mapping[str, str]) -> list[dict]:
    """Samples of the images in ``folders`` (folder -> class), in the order of the folders.

    Raises:
        FileNotFoundError: A folder is missing, or one of the classes that such datasets have.
    """
    paths = {folder: dataset.require_folder(place / folder) for folder in folders}
    classes = dataset._metainfo['classes']
    usual = dataset.METAINFO['classes']
    lacking = [name for name in classes if name in usual and name not in folders.values()]
    if lacking:
        raise dataset.missing(
            f"'{place}' has no folder for {lacking}; to read fewer expressions, set classes"
        )
    return [
        dict(img_path=str(path), gt_label=name)
        for folder, name in folders.items()
        for path in list_files(paths[folder])
    ]
