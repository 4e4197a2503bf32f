# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import csv
from collections.abc import Callable
from operator import itemgetter
from pathlib import Path
from typing import TypeVar

import numpy as np

from mmfer.categories import EXPRESSIONS, EXPRESSIONS_8
from mmfer.registry import DATASETS

from .annotation_files import class_name, list_files, read_lines
from .holdout_dataset import HoldoutDataset
from .transforms.annotation_check import check_box

#: Meaning of the numbers in AffectNet's annotations. The last three are not expressions.
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
_BOX, _PLACE = _COLUMNS[1:5], _COLUMNS[7:]
#: Marks missing valence or arousal: images without a face, or with an uncertain expression.
_NO_NUMBER = -2

_T = TypeVar('_T')


@DATASETS.register_module()
class AffectNet(HoldoutDataset):
    """AffectNet's manually labeled images (Mollahosseini, Hasani and Mahoor, 2019).

    Both releases are supported:

    * the lists, ``training.csv`` and ``validation.csv``, with the original images. A sample has
      ``face_box``, float32 (4,), x1, y1, x2, y2 in pixels;
    * the folders, ``train_set`` and ``val_set``, with cropped faces of 224x224 and one ``.npy``
      file per label.

    With seven classes there are 283,901 images for training and 3,500 for validation, with eight
    (Contempt last) 287,651 and 4,000 (3,999 in folders). Images marked *None*, *Uncertain* or
    *No-Face*, which only the lists have, belong to no class and are skipped.

    The labels of the test set are not public, so papers report the validation list.

    With ``valence_arousal`` a sample also has ``gt_valence_arousal``, float32 (2,), -1 to 1, or NaN
    if the files have -2. Images that have these labels, but none of the classes, are then kept,
    with a ``gt_label`` of -1: those marked *None*, or Contempt if there are seven classes.

    Args:
        data_root (str): Folder of one of the releases.
        num_classes (int): 7, or 8 with Contempt. Defaults to 7.
        valence_arousal (bool): Whether to read valence and arousal. In the release with folders
            this reads two more files per image. Defaults to False.
        image_dir (str, optional): Folder of the images that the lists name, relative to
            ``data_root``, for your own crops; such samples have no ``face_box``. Defaults to
            ``Manually_Annotated_Images``, in ``data_root`` or in ``Manually_Annotated``, with
            boxes.
        image_name (str, optional): Name of such an image, given its path in the list without
            extension as ``{stem}`` (``689/737db2483489``). Defaults to the name in the list.
        **kwargs: Arguments of :class:`HoldoutDataset`.
    """

    METAINFO = dict(dataset_name='AffectNet', task='expression', classes=EXPRESSIONS)

    REPORTED = 'val'

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
        *args,
        num_classes: int = 7,
        valence_arousal: bool = False,
        image_dir: str | None = None,
        image_name: str | None = None,
        **kwargs,
    ):
        self.require_one_of('num_classes', num_classes, tuple(_CLASSES))
        self.valence_arousal = valence_arousal
        self.image_dir = image_dir
        self.image_name = image_name
        if kwargs.get('classes') is None:
            kwargs['classes'] = _CLASSES[num_classes]
        super().__init__(data_root, *args, **kwargs)

    def load_annotations(self) -> list[dict]:
        root = self.require_folder(Path(self.data_root))
        has_lists, has_folders = (root / _LISTS).is_dir(), (root / 'train_set').is_dir()
        if has_lists and has_folders:
            raise ValueError(
                f"AffectNet: '{root}' has both releases, {_LISTS} and train_set, of the same "
                'images. Move one of them elsewhere.'
            )
        samples = self._read_list(root) if has_lists else self._read_folder(root)
        samples = self.hold_out(
            samples,
            # Relative, so that the split is the same on every machine.
            lambda sample: Path(sample['img_path']).relative_to(root).as_posix(),
            itemgetter('gt_label'),
        )
        for sample in samples if self.valence_arousal else ():
            other = sample['gt_label'] not in self._metainfo['classes']
            if other and _is_labeled(sample):
                sample['gt_label'] = -1
        return samples

    # The lists ---------------------------------------------------------------------------------

    def _read_list(self, root: Path) -> list[dict]:
        name = dict(train='training.csv', val='validation.csv')[self.official]
        folder = self._find_images(root)
        path = self.require_file(root / _LISTS / name)
        samples = read_lines(path, lambda line: self._read_line(line, folder), _statement)
        return [sample for sample in samples if sample is not None]

    def _read_line(self, line: str, folder: Path) -> dict | None:
        """Return a sample, or None for the header, which copies of ``validation.csv`` lack."""
        fields = next(csv.reader([line]))
        if fields[0] == _COLUMNS[0]:
            return None
        if len(fields) != len(_COLUMNS):
            raise ValueError(f'{len(fields)} fields instead of {len(_COLUMNS)}')
        row = dict(zip(_COLUMNS, fields, strict=True))
        label = class_name(row['expression'], AFFECTNET_LABELS)
        sample = dict(gt_label=label)
        if self.valence_arousal:
            sample['gt_valence_arousal'] = _to_place(*map(_number, itemgetter(*_PLACE)(row)))
        if self.image_dir is not None:
            return dict(sample, img_path=str(folder / self._own_name(row)))
        if label in EXPRESSIONS_8 or _is_labeled(sample):  # without a face there is no box
            sample['face_box'] = _to_box(row)
        return dict(sample, img_path=str(folder / row['subDirectory_filePath']))

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

    def _read_folder(self, root: Path) -> list[dict]:
        if self.image_dir is not None or self.image_name is not None:
            raise ValueError(
                'AffectNet: image_dir and image_name are only for the release with '
                f'{_LISTS}; the other one has its images in train_set/images and val_set/images'
            )
        images = self.require_folder(root / f'{self.official}_set/images')
        annotations = self.require_folder(root / f'{self.official}_set/annotations')
        paths = sorted(list_files(images), key=_by_number)
        return [
            dict(self._read_labels(annotations, path.stem), img_path=str(path)) for path in paths
        ]

    def _read_labels(self, annotations: Path, stem: str) -> dict:
        def read(kind: str, parse: Callable[[str], _T]) -> _T:
            return _read_npy(self.require_file(annotations / f'{stem}_{kind}.npy'), parse)

        labels = dict(gt_label=read('exp', lambda text: class_name(text, AFFECTNET_LABELS)))
        if self.valence_arousal:
            labels['gt_valence_arousal'] = _to_place(read('val', _number), read('aro', _number))
        return labels


def _statement(sample: dict) -> tuple[tuple, str]:
    """Identify a face by its image and its box."""
    return (sample['img_path'], *sample.get('face_box', ())), sample['gt_label']


def _to_box(row: dict[str, str]) -> np.ndarray:
    try:
        x, y, width, height = (float(row[name]) for name in _BOX)
    except ValueError as error:
        raise ValueError(f'{_BOX} are {[row[n] for n in _BOX]}, not numbers') from error
    box = np.array([x, y, x + width, y + height], np.float32)
    check_box(box)
    return box


def _number(text: str) -> float:
    """Parse valence or arousal of a file; NaN if missing."""
    number = float(text)
    if number == _NO_NUMBER:
        return np.nan
    if not abs(number) <= 1:
        raise ValueError(
            f'valence or arousal is {text}; allowed are -1 to 1, or {_NO_NUMBER} if missing'
        )
    return number


def _to_place(valence: float, arousal: float) -> np.ndarray:
    """Return ``gt_valence_arousal``; both are NaN if one is."""
    place = np.array([valence, arousal], np.float32)
    return np.full_like(place, np.nan) if np.isnan(place).any() else place


def _is_labeled(sample: dict) -> bool:
    return not np.isnan(sample.get('gt_valence_arousal', np.nan)).any()


def _read_npy(path: Path, parse: Callable[[str], _T]) -> _T:
    try:
        # Labels are short strings. Pickled objects are not loaded, because they could run code.
        return parse(str(np.load(path, allow_pickle=False).item()))
    except (EOFError, ValueError) as error:
        raise ValueError(f'{path} is not one plain number in an npy file: {error}') from error


def _by_number(path: Path) -> tuple[int, str]:
    return (int(path.stem) if path.stem.isdecimal() else -1, path.name)
