# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import math
import re
import warnings
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from mmfer.categories import EXPRESSIONS
from mmfer.registry import DATASETS

from .annotation_files import class_name, read_lines
from .named_split_dataset import NamedSplitDataset
from .splits import PARTS, split_by_name, split_by_rank
from .transforms.annotation_check import check_box

#: Meaning of the numbers in ExpW's label file.
EXPW_LABELS = {
    0: 'Anger',
    1: 'Disgust',
    2: 'Fear',
    3: 'Happiness',
    4: 'Sadness',
    5: 'Surprise',
    6: 'Neutral',
}

#: Units that the split assigns.
EXPW_UNITS = ('face', 'image')

_VAL, _TEST = 0.10, 0.15
_FIELDS = ('name', 'face', 'top', 'left', 'right', 'bottom', 'confidence', 'label')
_BOX = ('left', 'top', 'right', 'bottom')


@DATASETS.register_module()
class ExpW(NamedSplitDataset):
    """Expression in-the-Wild (Zhang, Luo, Loy and Tang, IJCV 2018), in its original layout.

    91,793 faces in images from the web with one of seven expressions. An image may have several
    faces. A sample is one face, with

    ==============  ==============================================================================
    ``face_box``    float32 (4,), x1, y1, x2, y2 in pixels of the image
    ``confidence``  float, confidence of the face detector, about 0 to 100
    ``expression``  str, name of the class, independent of ``classes``
    ``face``        int, number of the face in its image
    ``image``       str, name of the image as in the label file
    ==============  ==============================================================================

    There is no official split. As in the APViT paper (section 4.1) and those it compares with, 75 %
    of the faces are for training, 10 % for validation and 15 % for testing. None of the papers says
    which ones.

    * ``by='face'``: faces are assigned one by one (:func:`~mmfer.datasets.splits.split_by_rank`),
      as in the paper, with its counts of 68,845, 9,179 and 13,769 of 91,793 faces. This leaks:
      faces of one image, often of people with the same expression, are in training and testing.
    * ``by='image'``: an image is assigned by a hash of its name without extension
      (:func:`~mmfer.datasets.splits.split_by_name`), with all of its faces, so that no image is in
      two splits. The shares are met on average only.

    Both are the same on every machine, and the split of a face does not depend on
    ``min_confidence`` or ``classes``. ``tools/dataset_converters/write_split.py`` stores the split
    as a file.

    Args:
        data_root (str): Folder with ``data/`` in it, or ``data`` itself.
        by (str): Unit that the split assigns, ``'face'`` or ``'image'``. Defaults to ``'face'``.
        split_file (str, optional): A custom split, see :class:`NamedSplitDataset`. It names faces
            by their number in the image, ``afraid_actor_1.jpg#0``, with or without folder and
            extension, or, with ``by='image'``, images: ``afraid_actor_1.jpg``. Defaults to None,
            the rule above.
        min_confidence (float): Faces with lower confidence are skipped and counted in the log.
            Some papers use 60. Defaults to 0, all faces, as in the APViT paper.
        image_dir (str): Folder of the images, relative to ``data``, for your own crops of the
            faces. With another folder than the default, samples have no ``face_box``. Defaults to
            ``'image/origin'``.
        image_name (str, optional): Name of an image there, given the ``{stem}`` of its name in the
            label file and the number ``{face}``, such as ``'{stem}_{face}.png'``. Defaults to the
            name in the label file.
        **kwargs: Arguments of :class:`NamedSplitDataset`.
    """

    METAINFO = dict(dataset_name='ExpW', task='expression', classes=EXPRESSIONS)

    LAYOUT = (
        '  data/label/label.lst    (one line per face: name of the image, number, top,\n'
        '                           left, right, bottom, confidence, label 0 to 6)\n'
        '  data/image/origin/afraid_actor_1.jpg …'
    )

    SHOWN = (*NamedSplitDataset.SHOWN, 'by', 'min_confidence')

    def __init__(
        self,
        data_root: str,
        *args,
        by: str = 'face',
        min_confidence: float = 0.0,
        image_dir: str = 'image/origin',
        image_name: str | None = None,
        **kwargs,
    ):
        if by == 'picture':
            warnings.warn(
                "ExpW: by='picture' is now called by='image'", FutureWarning, stacklevel=2
            )
            by = 'image'
        self.by = self.require_one_of('by', by, EXPW_UNITS)
        self.min_confidence = self.require_not_negative('min_confidence', min_confidence)
        self.image_dir = image_dir
        self.image_name = image_name
        super().__init__(data_root, *args, **kwargs)

    def load_annotations(self) -> list[dict]:
        # After the split, so that it does not change the split of a face.
        samples = super().load_annotations()
        kept = [sample for sample in samples if sample['confidence'] >= self.min_confidence]
        skipped = len(samples) - len(kept)
        if skipped:
            self.log(
                f'{skipped} faces are skipped, their confidence is below '
                f'min_confidence={self.min_confidence:g}'
            )
        return kept

    def load_all(self) -> list[dict]:
        root = self.require_folder(Path(self.data_root))
        data = root if (root / 'label').is_dir() else root / 'data'
        images = self.require_folder(data / self.image_dir)
        path = self.require_file(data / 'label/label.lst')
        samples = read_lines(path, _read_line, _statement)
        for sample in samples:
            if self.image_dir != 'image/origin':
                del sample['face_box']  # it is not in pixels of these images
            sample['img_path'] = str(images / self._file_name(sample))
        return samples

    def split_key(self, name: str) -> str:
        image, sign, face = Path(name).name.rpartition('#')
        if not (sign and face.isdecimal()):
            image, face = Path(name).name, None
        if (face is None) != (self.by == 'image'):
            raise ValueError(
                f'{name!r} names {"an image" if face is None else "a face"}, but by={self.by!r}. '
                'Set by of all datasets in the config to the unit of the file. Images are named '
                "like 'afraid_actor_1.jpg', faces like 'afraid_actor_1.jpg#0'"
            )
        stem = _without_extension(image)
        return stem if face is None else f'{stem}#{int(face)}'

    def parts_by_rule(self, keys: list[str]) -> dict[str, str]:
        if self.by == 'face':
            # The order of this split's first version, so that no old model was trained on test
            # faces.
            return split_by_rank(keys, val=_VAL, test=_TEST, order=PARTS)
        return {key: split_by_name(key, val=_VAL, test=_TEST) for key in keys}

    def _keys_of(self, samples: Iterable[dict]) -> list[str]:
        # By the image's name, not by the names of the crops.
        face = '#{}' if self.by == 'face' else ''
        return [
            _without_extension(sample['image']) + face.format(sample['face']) for sample in samples
        ]

    def _file_name(self, sample: dict) -> str:
        if self.image_name is None:
            return sample['image']
        return self.image_name.format(stem=Path(sample['image']).stem, face=sample['face'])


def _without_extension(name: str) -> str:
    return re.sub(r'\.(jpe?g|png|bmp)$', '', Path(name).name, flags=re.IGNORECASE)


def _statement(sample: dict) -> tuple[tuple, str]:
    """Identify a face by its number and its box."""
    face = (sample['image'], sample['face'], *sample['face_box'].tolist())
    return face, sample['expression']


def _read_line(line: str) -> dict:
    """Parse a face; its path is added later."""
    # From the end, as a name may contain spaces.
    fields = line.strip().rsplit(maxsplit=len(_FIELDS) - 1)
    if len(fields) != len(_FIELDS):
        raise ValueError(f'{len(fields)} fields instead of {len(_FIELDS)}: {", ".join(_FIELDS)}')
    row = dict(zip(_FIELDS, fields, strict=True))
    box = np.array([float(row[name]) for name in _BOX], np.float32)
    check_box(box)
    confidence = float(row['confidence'])
    if not math.isfinite(confidence):
        raise ValueError(f'confidence {row["confidence"]!r} is not a finite number')
    expression = class_name(row['label'], EXPW_LABELS)
    return dict(
        image=row['name'],
        face=int(row['face']),
        face_box=box,
        confidence=confidence,
        expression=expression,
        gt_label=expression,
    )
