# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from collections.abc import Mapping
from pathlib import Path

from mmfer.categories import EXPRESSION_SYNONYMS, EXPRESSIONS
from mmfer.utils.files_below import is_junk
from mmfer.utils.short_list import short_list

from .annotation_files import list_files
from .face_dataset import FaceDataset

#: Folder names (in lower case) and their classes.
EXPRESSION_FOLDERS = dict(
    sorted({**{name.lower(): name for name in EXPRESSIONS}, **EXPRESSION_SYNONYMS}.items())
)


def known_folders(dataset: FaceDataset, place: Path, remedy: str) -> dict[str, str]:
    """Return the class of each folder in ``place`` (:data:`EXPRESSION_FOLDERS`), sorted by name.

    Junk (:func:`.is_junk`) is skipped.

    Args:
        dataset (FaceDataset): The dataset, for error messages.
        place (Path): Folder that contains the expression folders.
        remedy (str): Advice in the error for a folder with another name.

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
    """Return samples of the images in ``folders`` (folder -> class), in the order of the folders.

    Raises:
        FileNotFoundError: A folder is missing, or a usual class that ``classes`` names has no
            folder.
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
