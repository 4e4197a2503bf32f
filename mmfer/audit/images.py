# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""The images to audit: those of a config's data loaders, or of folders."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config
from mmengine.dataset import Compose

from mmfer.datasets import SynthFace
from mmfer.datasets.determinism import leaf_datasets
from mmfer.datasets.transforms.annotation_check import PIXEL_KEYS
from mmfer.registry import DATASETS
from mmfer.utils.files_below import IMAGE, media_below, warn_skipped
from mmfer.utils.image_header import FORMATS

_ROLES = ('train', 'val', 'test')


@dataclass(frozen=True)
class AuditImage:
    """One image with its annotations.

    Attributes:
        name (str): Path of the file, or a name if there is no file.
        label (str, optional): Class or age as text; None if unlabeled.
        person (str, optional): Identity of the person; None if unknown.
        drawn_by (tuple[Any, int], optional): Dataset and index of an image that has no file.
        faces (list[dict]): Boxes and points of the samples of this image, if they have any
            (:data:`~mmfer.datasets.transforms.annotation_check.PIXEL_KEYS`).
    """

    name: str
    label: str | None = None
    person: str | None = None
    drawn_by: tuple[Any, int] | None = field(default=None, repr=False, compare=False)
    faces: list[dict] = field(default_factory=list, repr=False, compare=False)


@dataclass
class Split:
    """Images that are used for the same purpose.

    Attributes:
        name (str): Name shown in reports.
        roles (frozenset[str]): Its purposes, such as ``'train'``. An image in two splits of
            different roles is a leak.
        images (list[AuditImage]): Its images, without the repetitions of wrappers.
        skipped (list[str]): Skipped files of a folder, which are not images.
    """

    name: str
    roles: frozenset[str]
    images: list[AuditImage]
    skipped: list[str] = field(default_factory=list)


def splits_of_config(cfg: Config, prefix: str = '') -> list[Split]:
    """Collect the images of the training, validation and test loaders of a config.

    Dataset wrappers (``ConcatDataset``, ``RepeatDataset``, ``ClassBalancedDataset``,
    ``KFoldDataset``, …) are unwrapped. Images are not augmented.

    Args:
        cfg (Config): The config.
        prefix (str): Prefix of the splits' names, if there are several configs. Defaults to
            ``''``.

    Raises:
        ValueError: The config has no data loader with a dataset.
        Exception: Building a dataset failed.
    """
    splits = []
    for role in _ROLES:
        loader = cfg.get(f'{role}_dataloader')
        if loader and loader.get('dataset'):
            dataset = DATASETS.build(loader['dataset'])
            dataset.full_init()  # with lazy_init, a KFoldDataset selects its fold only now
            splits.append(Split(prefix + role, frozenset([role]), list(_images_of(dataset))))
    if not splits:
        raise ValueError('the config has none of train_dataloader, val_dataloader, test_dataloader')
    return splits


def split_of_folder(name: str, folder: str | Path) -> Split:
    """Collect the images below a folder. Their labels are the names of their subfolders.

    Images are recognized by content, not by suffix. Other files are skipped and logged.

    Args:
        name (str): Name and role of the split.
        folder (str | Path): The folder.

    Raises:
        FileNotFoundError: The folder does not exist.
        ValueError: The folder has no image.
    """
    folder = Path(folder).expanduser()
    if not folder.is_dir():
        raise FileNotFoundError(f"the folder '{folder}' ({name}) does not exist")
    paths, skipped = media_below(folder, [IMAGE])
    warn_skipped(folder, skipped, [IMAGE])
    if not paths:
        raise ValueError(f"'{folder}' ({name}) has no image; looked for {', '.join(FORMATS)}")
    images = []
    for path in paths:
        label = path.parent.relative_to(folder).as_posix()
        images.append(AuditImage(str(path), label if label != '.' else None))
    return Split(name, frozenset([name]), images, [str(path) for path in skipped])


def merge_equal(splits: Iterable[Split]) -> list[Split]:
    """Join splits that have the same list of images, as val and test splits often have.

    Train splits are not joined with others: testing on the training images is a leak.
    """
    merged: dict[tuple[frozenset, frozenset], Split] = {}
    for split in splits:
        role = split.roles - {'val', 'test'}
        same = merged.setdefault((frozenset(split.images), role), split)
        if same is not split:
            same.name, same.roles = f'{same.name} = {split.name}', same.roles | split.roles
    return list(merged.values())


def _images_of(dataset) -> Iterator[AuditImage]:
    seen: dict[AuditImage, AuditImage] = {}
    for leaf, index in _samples(dataset):
        classes = leaf.metainfo.get('classes')
        info = leaf.get_data_info(index)
        label = _label(info, classes)
        person = info.get('identity', label if _knows_people(leaf) else None)
        drawn = isinstance(leaf, SynthFace) or 'img' in info
        image = AuditImage(
            str(info.get('img_path') or f'{type(leaf).__name__}/{index}'),
            label,
            None if person is None else str(person),
            (leaf, index) if drawn else None,
        )
        # Several faces of an image, and repeated samples, count as one image.
        if image not in seen:
            seen[image] = image
            yield image
        if face := {key: info[key] for key in PIXEL_KEYS if info.get(key) is not None}:
            seen[image].faces.append(face)


def _samples(dataset) -> Iterator[tuple[Any, int]]:
    """Yield (dataset inside all wrappers, index in it) of each sample that the loader uses."""
    for leaf in leaf_datasets(dataset):
        leaf.pipeline = Compose([])  # generated images without transforms
        for index in range(len(leaf)):
            yield leaf, index


def _knows_people(dataset) -> bool:
    return 'recognition' in (dataset.metainfo.get('task'), getattr(dataset, 'task', None))


def _label(info: dict, classes: Iterable[str] | None) -> str | None:
    label = info.get('gt_label')
    if isinstance(label, (int, np.integer)) and label < 0:
        return None  # labeled only for another task
    if isinstance(label, (int, np.integer)) and classes is not None and 0 <= label < len(classes):
        return str(classes[label])
    if info.get('gt_age') is not None:
        return f'age {info["gt_age"]:g}'
    return None if label is None else str(label)
