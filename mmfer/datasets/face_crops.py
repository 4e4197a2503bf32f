# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import json
import logging
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mmfer.registry import DATASETS
from mmfer.tasks import TASKS
from mmfer.utils.text_file import read_text

from .annotation_files import Statements
from .face_dataset import FaceDataset
from .splits import PARTS
from .transforms.annotation_check import PIXEL_KEYS, check_box

#: The label key that a task requires.
LABEL_OF_TASK = dict(
    expression='gt_label', age='gt_age', landmarks='gt_landmarks', recognition='gt_label'
)

#: Youngest and oldest age, years.
AGES = (0, 120)


@DATASETS.register_module()
class FaceCrops(FaceDataset):
    """Precomputed face crops with one annotation file, from any dataset.

    ``tools/dataset_converters/to_crops.py`` writes such folders. The file is OpenMMLab's JSON::

        {"metainfo": {"dataset_name": "WFLW", "task": "landmarks", ...},
         "data_list": [{"img_path": "images/test/a.jpg", "split": "test", ...}, ...]}

    ``metainfo`` becomes that of the dataset and may have ``classes``. ``img_path`` is relative to
    the file's folder, and ``split`` is ``'train'``, ``'val'`` or ``'test'``. The labels are

    ================  ============================================================================
    ``gt_label``      int, an index in ``classes``; without classes, 0, 1, 2 … without gaps; -1 if
                      the face has none of the classes but other labels
    ``gt_age``        float, years, 0 to 120
    ``gt_landmarks``  [[x, y], …] in pixels of the crop, the first pixel's center is (0, 0); read as
                      float32
    ``face_box``      [x1, y1, x2, y2] in the same pixels, optional; float32
    ``attributes``    [0, 1, …], optional; uint8
    ================  ============================================================================

    and other keys are passed on unchanged. Repeated entries of one face must agree.

    Args:
        data_root (str): Folder of the crops.
        task (str, optional): One of :data:`mmfer.tasks.TASKS`; its label is required. Defaults to
            the task in the file.
        ann_file (str): The annotation file, relative to ``data_root``. Defaults to
            ``'annotations.json'``.
        **kwargs: Arguments of :class:`FaceDataset`.
    """

    METAINFO = dict()

    LAYOUT = (
        '  annotations.json\n'
        '  images/train/…, images/val/…, images/test/…    (as in the file)\n'
        'written by tools/dataset_converters/to_crops.py'
    )

    SHOWN = (*FaceDataset.SHOWN, 'crops_file')

    def __init__(
        self,
        data_root: str,
        *args,
        task: str | None = None,
        ann_file: str = 'annotations.json',
        **kwargs,
    ):
        self.task = self.require_one_of('task', task, (None, *TASKS))
        # Not ``ann_file``, which mmengine's BaseDataset joins with data_root and FaceDataset leaves
        # empty.
        self.crops_file = ann_file
        super().__init__(data_root, *args, **kwargs)

    @property
    def known_classes(self) -> Sequence[str]:
        return self._known_classes

    def load_annotations(self) -> list[dict]:
        root = self.require_folder(Path(self.data_root))
        path = self.require_file(root / self.crops_file)
        metainfo, records = _read_json(path)
        metainfo = {key: value for key, value in metainfo.items() if value is not None}
        for key, value in metainfo.items():
            self._metainfo.setdefault(key, tuple(value) if isinstance(value, list) else value)
        task = self.task or metainfo.get('task')
        if task not in TASKS:
            raise ValueError(
                f'FaceCrops: {path} has the task {task!r}; set task of the dataset to one of '
                f'{TASKS}'
            )
        self._metainfo['task'] = task
        skipped = metainfo.get('skipped')
        lost = sum(skipped.get(p, 0) for p in self.parts) if isinstance(skipped, dict) else 0
        if lost:
            self.log(
                f'{path} lacks {lost} images that could not be converted; results are not for '
                'the whole dataset',
                logging.WARNING,
            )
        label, names = LABEL_OF_TASK[task], _class_names(path, metainfo)
        if names is None and label == 'gt_label':
            names = self._metainfo.get('classes')
            if not names:
                _refuse_gaps(path, records)
        self._known_classes = names or ()
        samples, statements = [], Statements()
        for index, record in enumerate(records):
            place = f'data_list[{index}]'
            try:
                _check_record(record)
                statements.add(*_statement(record), place)
                if record['split'] in self.parts:
                    samples.append(_to_sample(record, root, label, names))
            except ValueError as error:
                raise ValueError(f'{path}, {place}: {error}') from error
        _require_equal_counts(path, samples)
        statements.log_repeats(path)
        return samples


def _read_json(path: Path) -> tuple[dict, list[dict]]:
    try:
        content = json.loads(read_text(path))
    except (json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f'{path} is not JSON: {error}') from error
    if (
        not isinstance(content, dict)
        or not isinstance(content.get('metainfo'), dict)
        or not isinstance(content.get('data_list'), list)
    ):
        raise ValueError(f'{path} is not {{"metainfo": {{…}}, "data_list": […]}}')
    return content['metainfo'], content['data_list']


def _check_record(record: dict) -> None:
    if not isinstance(record, dict) or not isinstance(record.get('img_path'), str):
        raise ValueError(f'no img_path in {record!r:.200}')
    if record.get('split') not in PARTS:
        raise ValueError(
            f'split of {record["img_path"]!r} is {record.get("split")!r}, not one of {PARTS}'
        )


def _require_equal_counts(path: Path, samples: list[dict]) -> None:
    """Raise an error unless all faces have equally many points and flags, as a batch requires."""
    for key in ('gt_landmarks', 'attributes'):
        first = next((sample for sample in samples if key in sample), None)
        for sample in samples if first else ():
            if key in sample and len(sample[key]) != len(first[key]):
                raise ValueError(
                    f'{path}: {sample["img_path"]!r} has {len(sample[key])} {key}, '
                    f'{first["img_path"]!r} has {len(first[key])}; all must have the same number'
                )


def _class_names(path: Path, metainfo: dict) -> list[str] | None:
    names = metainfo.get('classes')
    if names is None:
        return None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError(f'{path}: classes of metainfo must be a list of names, not {names!r:.60}')
    if len(set(names)) < len(names):
        raise ValueError(f'{path}: classes of metainfo has one class twice: {names!r:.200}')
    return names


def _refuse_gaps(path: Path, records: list) -> None:
    """Raise an error if the numbers of unnamed classes have gaps."""
    labels = [record.get('gt_label') for record in records if isinstance(record, dict)]
    numbers = {label for label in labels if type(label) is int and label >= 0}
    gap = next((number for number in range(len(numbers)) if number not in numbers), None)
    if gap is not None:
        raise ValueError(
            f'{path} has labels of up to {max(numbers)}, but none is {gap}. Name the classes in '
            'metainfo, such as {"classes": ["Anger", …]}, or number them from 0 without a gap'
        )


def _statement(record: dict) -> tuple[tuple, tuple]:
    """Identify a face by its image and, as there may be several, by its box and its points."""
    place = [repr(record.get(key)) for key in PIXEL_KEYS]
    labels = {key: record[key] for key in ('split', 'gt_label', 'gt_age') if key in record}
    return (os.path.normpath(record['img_path']), *place), labels


def _to_sample(record: dict, root: Path, label: str, classes: Sequence[str] | None) -> dict:
    sample = dict(record, img_path=str(root / record['img_path']))
    del sample['split']
    if sample.get(label) is None:
        raise ValueError(f'{record["img_path"]!r} has no {label}')
    name = repr(record['img_path'])
    if 'gt_label' in sample:
        sample['gt_label'] = _class_name(sample['gt_label'], classes, name)
    if 'gt_age' in sample:
        age = float(_to_array(sample['gt_age'], np.float64, (), f'gt_age of {name}'))
        if not AGES[0] <= age <= AGES[1]:
            raise ValueError(f'gt_age of {name} is {age:g}; allowed are {AGES[0]} to {AGES[1]}')
        sample['gt_age'] = age
    for key, dtype, shape in (
        ('gt_landmarks', np.float32, (-1, 2)),
        ('face_box', np.float32, (4,)),
        ('attributes', np.uint8, (-1,)),
    ):
        if key in sample:
            sample[key] = _to_array(sample[key], dtype, shape, f'{key} of {name}')
    if 'face_box' in sample:
        check_box(sample['face_box'])
    return sample


def _class_name(label: int, classes: Sequence[str] | None, name: str) -> str | int:
    """Return the class, by name if it has one; -1 stays."""
    # JSON's true and 1.0 are not indices.
    if type(label) is not int or label < -1 or (classes and label >= len(classes)):
        allowed = f'indices 0 to {len(classes) - 1} of the classes' if classes else 'numbers from 0'
        raise ValueError(f'gt_label of {name} is {label!r}; allowed are the {allowed}')
    return classes[label] if classes and label >= 0 else label


def _to_array(value, dtype: type, shape: tuple[int, ...], what: str) -> np.ndarray:
    wanted = f'numbers of shape {shape}'.replace('-1', 'N') if shape else 'a number'
    try:
        given = np.array(value)
        if given.dtype.kind not in 'iuf':  # numpy would convert strings and true to numbers
            raise ValueError(f'{value!r:.60}')
        array = given.astype(dtype)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f'{what} is not {wanted}: {error}') from error
    if array.ndim != len(shape) or any(
        s not in (-1, n) for s, n in zip(shape, array.shape, strict=True)
    ):
        raise ValueError(f'{what} is not {wanted} but {array.shape}')
    if not np.isfinite(array).all():
        raise ValueError(f'{what} has values that are not finite')
    if array.dtype.kind == 'u' and (array != given).any():
        raise ValueError(f'{what} has values that are not integers from 0 to 255')
    return array
