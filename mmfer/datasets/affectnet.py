# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import csv
import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from mmengine.logging import print_log

from mmfer.categories import EXPRESSIONS, EXPRESSIONS_8
from mmfer.registry import DATASETS

from .face_dataset import EmptySplitError, FaceDataset
from .holdout import stratified_holdout
from .splits import SPLITS

#: What the numbers in AffectNet's annotations mean. The last three are no expression.
AFFECTNET_LABELS = {
    0: 'Neutral',
    1: 'Happiness',
    2: 'Sadness',
    3: 'Surprise',
    4: 'Fear',
    5: 'Disgust',
    6: 'Anger',
    7: 'Contempt',
    8: 'None',
    9: 'Uncertain',
    10: 'No-Face',
}

_CLASSES = {7: EXPRESSIONS, 8: EXPRESSIONS_8}
_LISTS = 'Manually_Annotated_file_lists'
_IMAGES = 'Manually_Annotated_Images'
_COLUMNS = (
    'subDirectory_filePath',
    'face_x',
    'face_y',
    'face_width',
    'face_height',
    'facial_landmarks',
    'expression',
    'valence',
    'arousal',
)
_BOX = _COLUMNS[1:5]


@DATASETS.register_module()
class AffectNet(FaceDataset):
    """AffectNet's pictures labelled by hand (Mollahosseini, Hasani and Mahoor, 2019).

    Both releases are read:

    * the lists, ``training.csv`` and ``validation.csv``, with pictures as they were found. A sample
      has ``face_box``, float32 (4,), x1, y1, x2, y2 in pixels;
    * the folders, ``train_set`` and ``val_set``, with faces cut out to 224x224 and an ``.npy`` file
      for each label.

    Labels are numbered in mmfer's order (:data:`mmfer.datasets.EXPRESSIONS`), not in that of the
    files. With seven classes there are 283,901 pictures for training and 3,500 for validation, with
    eight (Contempt last) 287,651 and 4,000 (3,999 in folders). Pictures marked *None*, *Uncertain*
    or *No-Face*, which only the lists have, are no samples; the log says how many there are.

    The labels of the test set are not public, so papers report the validation list, on which most
    also choose the best epoch. ``val_ratio`` takes a validation part out of the *training* list
    instead, the same share of each class, and what was the validation list is then for testing.

    ============  =================================  =====================
    split         ``val_ratio=0``                    ``val_ratio=.1``
    ============  =================================  =====================
    ``train``     training list                      90 % of it
    ``val``       validation list                    the other 10 %
    ``trainval``  training list                      training list
    ``test``      an error                           validation list
    ============  =================================  =====================

    Args:
        data_root: Folder of one of the releases.
        split: ``'train'``, ``'val'``, ``'trainval'`` or ``'test'``. Default ``'train'``.
        num_classes: 7, or 8 with Contempt. Default 7.
        val_ratio: Share of the training list to hold out, in [0, 1). Default 0.
        image_dir: Folder of the pictures that the lists name, relative to ``data_root``, for one's
            own crops; such samples have no ``face_box``. Default: ``Manually_Annotated_Images``,
            here or in ``Manually_Annotated``, and the box.
        image_name: How such a picture is called, given its path in the list without extension
            as ``{stem}`` (``689/737db2483489``). Default: as in the list.
        test_mode: Whether an unreadable image is an error at once. Default: for ``'val'`` and
            ``'test'``.
        **kwargs: Further arguments of :class:`FaceDataset`: ``pipeline``, ``max_bad_images``, and
            ``classes`` to number the expressions otherwise or to read some only.

    Raises:
        FileNotFoundError: A folder, a list, a label or an image is missing.
        ValueError: An argument, a line or a label is wrong, or both releases lie in ``data_root``.
    """

    METAINFO = dict(dataset_name='AffectNet', task='expression', classes=EXPRESSIONS)

    LAYOUT = (
        f'  {_LISTS}/training.csv, validation.csv    ("subDirectory_filePath,face_x,…")\n'
        f'  {_IMAGES}/689/737db2483489148d783ef278f43f486c0a97e140fc4b6b61b84363ca.jpg …\n'
        'or\n'
        '  train_set/images/0.jpg …, train_set/annotations/0_exp.npy …\n'
        '  val_set/images/, val_set/annotations/'
    )

    def __init__(
        self,
        data_root: str,
        split: str = 'train',
        num_classes: int = 7,
        val_ratio: float = 0.0,
        image_dir: str | None = None,
        image_name: str | None = None,
        test_mode: bool | None = None,
        **kwargs,
    ):
        if split not in SPLITS:
            raise ValueError(f'AffectNet: split must be one of {SPLITS}, not {split!r}')
        if num_classes not in _CLASSES:
            raise ValueError(f'AffectNet: num_classes must be 7 or 8, not {num_classes!r}')
        if not 0 <= val_ratio < 1:
            raise ValueError(f'AffectNet: val_ratio must be in [0, 1), not {val_ratio}')
        if split == 'test' and val_ratio == 0:
            raise EmptySplitError(
                "AffectNet: split='test' is empty, as the labels of the test set are not public. "
                "Results are reported on split='val'; with val_ratio above 0 in *all* datasets of "
                "the config that is 'test', and 'val' is taken out of the training list"
            )
        self.split = split
        self.val_ratio = val_ratio
        self.image_dir = image_dir
        self.image_name = image_name
        if test_mode is None:
            test_mode = split in ('val', 'test')
        kwargs.setdefault('classes', _CLASSES[num_classes])
        super().__init__(data_root=data_root, test_mode=test_mode, **kwargs)

    def load_annotations(self) -> list[dict]:
        root = self.require_folder(Path(self.data_root))
        has_lists, has_folders = (root / _LISTS).is_dir(), (root / 'train_set').is_dir()
        if has_lists and has_folders:
            raise ValueError(
                f"AffectNet: '{root}' holds both releases, {_LISTS} and train_set, whose pictures "
                'are the same. Move one of them elsewhere.'
            )
        official = 'val' if self.split == ('test' if self.val_ratio else 'val') else 'train'
        read = self._read_list if has_lists else self._read_folder
        samples, other = [], 0
        for label, sample in read(root, official):
            if AFFECTNET_LABELS[label] in self._metainfo['classes']:
                index = self._metainfo['classes'].index(AFFECTNET_LABELS[label])
                samples.append(dict(sample, gt_label=index))
            else:
                other += 1
        if other:
            print_log(
                f'AffectNet, {self.split}: {other} pictures are left out, as their label is none '
                f'of the classes {tuple(self._metainfo["classes"])}',
                'current',
                logging.INFO,
            )
        return self._select(samples)

    def _select(self, samples: list[dict]) -> list[dict]:
        """Keep the part of the training list that is asked for."""
        if not samples or not self.val_ratio or self.split in ('trainval', 'test'):
            return samples
        # Relative, so that the choice is the same on every machine.
        names = [Path(s['img_path']).relative_to(self.data_root).as_posix() for s in samples]
        held_out = stratified_holdout(names, [s['gt_label'] for s in samples], self.val_ratio)
        wanted = self.split == 'val'
        return [s for s, held in zip(samples, held_out, strict=True) if held == wanted]

    # The lists ---------------------------------------------------------------------------------

    def _read_list(self, root: Path, part: str) -> Iterator[tuple[int, dict]]:
        name = dict(train='training.csv', val='validation.csv')[part]
        folder = self._find_images(root)
        for where, row in _read_csv(self.require_file(root / _LISTS / name)):
            label = _to_label(row['expression'], where)
            if AFFECTNET_LABELS[label] not in EXPRESSIONS_8:
                yield label, {}  # what has no face has no box either
            elif self.image_dir is None:
                sample = dict(img_path=str(folder / row['subDirectory_filePath']))
                yield label, dict(sample, face_box=_to_box(row, where))
            else:
                yield label, dict(img_path=str(folder / self._own_name(row)))

    def _find_images(self, root: Path) -> Path:
        if self.image_dir is not None:
            return self.require_folder(root / self.image_dir)
        nested = root / 'Manually_Annotated' / _IMAGES
        return nested if nested.is_dir() else self.require_folder(root / _IMAGES)

    def _own_name(self, row: dict) -> str:
        path = row['subDirectory_filePath']
        if self.image_name is None:
            return path
        return self.image_name.format(stem=Path(path).with_suffix('').as_posix())

    # The folders -------------------------------------------------------------------------------

    def _read_folder(self, root: Path, part: str) -> Iterator[tuple[int, dict]]:
        if self.image_dir is not None or self.image_name is not None:
            raise ValueError(
                'AffectNet: image_dir and image_name go with the release that has '
                f'{_LISTS}; the other one has its pictures in train_set/images and val_set/images'
            )
        images = self.require_folder(root / f'{part}_set' / 'images')
        annotations = self.require_folder(root / f'{part}_set' / 'annotations')
        for path in sorted(images.iterdir(), key=_by_number):
            yield (
                _read_npy(self.require_file(annotations / f'{path.stem}_exp.npy')),
                dict(img_path=str(path)),
            )

    def extra_repr(self) -> list[str]:
        return [*super().extra_repr(), f'Split: \t{self.split}, val_ratio={self.val_ratio}']


def _read_csv(path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Where a row stands, and its fields; copies of ``validation.csv`` without a header exist."""
    with open(path, newline='', encoding='utf-8-sig') as file:
        lines = csv.reader(file)
        for fields in lines:
            if not fields or fields[0] == _COLUMNS[0]:
                continue
            # Without the 68 landmarks, some 1,000 characters.
            where = f'{path}, line {lines.line_num} ({fields[0]!r} …)'
            if len(fields) != len(_COLUMNS):
                raise ValueError(f'{where}: {len(fields)} fields instead of {len(_COLUMNS)}')
            yield where, dict(zip(_COLUMNS, fields, strict=True))


def _to_label(text: str, where: str) -> int:
    text = text.strip()
    if not text.isdecimal() or int(text) not in AFFECTNET_LABELS:
        raise ValueError(f'{where}: expression {text!r}; AffectNet knows {AFFECTNET_LABELS}')
    return int(text)


def _to_box(row: dict[str, str], where: str) -> np.ndarray:
    try:
        x, y, width, height = (float(row[name]) for name in _BOX)
    except ValueError as error:
        raise ValueError(f'{where}: {_BOX} are {[row[n] for n in _BOX]}, not numbers') from error
    if not (width > 0 and height > 0):
        raise ValueError(f'{where}: a face of {width:g}x{height:g} pixels')
    return np.array([x, y, x + width, y + height], np.float32)


def _read_npy(path: Path) -> int:
    try:
        # Labels are short texts. A pickled object, which could run code, is refused.
        label = np.load(path, allow_pickle=False).item()
    except ValueError as error:
        raise ValueError(f'{path} is not one plain value in an npy file: {error}') from error
    return _to_label(str(label), str(path))


def _by_number(path: Path) -> tuple[int, str]:
    return (int(path.stem) if path.stem.isdecimal() else -1, path.name)
