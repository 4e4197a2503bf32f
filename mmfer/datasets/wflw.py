# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import numpy as np

from mmfer.registry import DATASETS
from mmfer.wflw_points import NUM_LANDMARKS

from .face_dataset import FaceDataset
from .holdout import check_holdout, stratified_holdout

#: What makes a face hard, in the order of the files; large pose, exaggerated expression and so on.
WFLW_ATTRIBUTES = ('pose', 'expression', 'illumination', 'makeup', 'occlusion', 'blur')

_NUM_NUMBERS = 2 * NUM_LANDMARKS + 4 + len(WFLW_ATTRIBUTES)
_LISTS = 'WFLW_annotations/list_98pt_rect_attr_train_test'


@DATASETS.register_module()
class WFLW(FaceDataset):
    """98 landmarks of faces in the wild (Wu et al., CVPR 2018), as the authors ship them.

    7,500 training and 2,500 test faces, several of which may lie in one picture; each of them is a
    sample, with

    ================  ============================================================================
    ``gt_landmarks``  float32, (98, 2), (x, y) in pixels of the picture
    ``face_box``      float32, (4,), x1, y1, x2, y2 of the detected face, in the same pixels
    ``attributes``    uint8, (6,), 1 where the face is hard in that way: :data:`WFLW_ATTRIBUTES`,
                      also ``metainfo['attributes']``
    ================  ============================================================================

    Note:
        WFLW does not say where its pixels have their origin. The numbers are taken as they are,
        with the centre of the first pixel at (0, 0).

    The published protocol trains on the whole training list and tests on the test list.
    ``val_ratio`` takes a validation part out of the *training* list, chosen by the pictures' names:
    faces of one picture stay together.

    ============  =================================  =====================
    split         ``val_ratio=0``                    ``val_ratio=.1``
    ============  =================================  =====================
    ``train``     training list                      90 % of its pictures
    ``val``       an error                           the other 10 %
    ``trainval``  training list                      training list
    ``test``      test list                          test list
    ============  =================================  =====================

    Args:
        data_root: Folder with ``WFLW_images`` and ``WFLW_annotations`` in it.
        split: ``'train'``, ``'val'``, ``'trainval'`` or ``'test'``. Default ``'train'``.
        subset: One of :data:`WFLW_ATTRIBUTES`, for the faces that have it. Default: all faces.
        val_ratio: Share of the training pictures to hold out, in [0, 1). Default 0.
        test_mode: Whether an unreadable image is an error at once. Default: for ``'val'`` and
            ``'test'``.
        **kwargs: Further arguments of :class:`FaceDataset`: ``pipeline``, ``max_bad_images``, …

    Raises:
        FileNotFoundError: A folder, a list or an image is missing.
        ValueError: An argument is wrong, or a line of a list is; the message names the line.
    """

    METAINFO = dict(dataset_name='WFLW', task='landmarks', attributes=WFLW_ATTRIBUTES)

    LAYOUT = (
        f'  {_LISTS}/list_98pt_rect_attr_train.txt\n'
        f'  {_LISTS}/list_98pt_rect_attr_test.txt\n'
        '  WFLW_images/0--Parade/0_Parade_marchingband_1_116.jpg …    (as the lists say)'
    )

    def __init__(
        self,
        data_root: str,
        split: str = 'train',
        subset: str | None = None,
        val_ratio: float = 0.0,
        test_mode: bool | None = None,
        **kwargs,
    ):
        check_holdout('WFLW', split, val_ratio)
        if subset is not None and subset not in WFLW_ATTRIBUTES:
            raise ValueError(
                f'WFLW: subset must be None or one of {WFLW_ATTRIBUTES}, not {subset!r}'
            )
        self.split = split
        self.subset = subset
        self.val_ratio = val_ratio
        if test_mode is None:
            test_mode = split in ('val', 'test')
        super().__init__(data_root=data_root, test_mode=test_mode, **kwargs)

    def load_annotations(self) -> list[dict]:
        root = self.require_folder(Path(self.data_root))
        images = self.require_folder(root / 'WFLW_images')
        name = 'test' if self.split == 'test' else 'train'
        faces = _read_list(self.require_file(root / _LISTS / f'list_98pt_rect_attr_{name}.txt'))
        if self.split in ('train', 'val') and self.val_ratio > 0:
            faces = self._select(faces)
        if self.subset is not None:
            column = WFLW_ATTRIBUTES.index(self.subset)
            faces = [face for face in faces if face['attributes'][column]]
        return [{**face, 'img_path': str(images / face['img_path'])} for face in faces]

    def _select(self, faces: list[dict]) -> list[dict]:
        """Keep the training or the validation part of the training list."""
        names = sorted({face['img_path'] for face in faces})
        held_out = stratified_holdout(names, [0] * len(names), self.val_ratio)
        in_val = dict(zip(names, held_out, strict=True))
        return [face for face in faces if in_val[face['img_path']] == (self.split == 'val')]

    def extra_repr(self) -> list[str]:
        return [
            *super().extra_repr(),
            f'Split: \t{self.split}, val_ratio={self.val_ratio}, subset={self.subset}',
        ]


def _read_list(path: Path) -> list[dict]:
    """Read one sample per line; ``img_path`` is relative, as in the file."""
    faces = []
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        if line.strip():
            try:
                faces.append(_read_line(line))
            except ValueError as error:
                # The line itself is some 1,600 characters long: its end says which face it is.
                raise ValueError(f'{path}, line {number} (…{line[-60:]!r}): {error}') from error
    return faces


def _read_line(line: str) -> dict:
    fields = line.split(maxsplit=_NUM_NUMBERS)
    if len(fields) != _NUM_NUMBERS + 1:
        raise ValueError(
            f'{len(fields)} fields instead of {_NUM_NUMBERS + 1}: x y of 98 points, x1 y1 x2 y2 of '
            f'the box, {len(WFLW_ATTRIBUTES)} attributes, name of the image'
        )
    *numbers, name = fields
    points, box, attributes = np.split(
        _to_floats(numbers), [2 * NUM_LANDMARKS, 2 * NUM_LANDMARKS + 4]
    )
    if not np.isin(attributes, (0, 1)).all():
        named = dict(zip(WFLW_ATTRIBUTES, numbers[-len(WFLW_ATTRIBUTES) :], strict=True))
        raise ValueError(f'attributes are 0 or 1, not {named}')
    return dict(
        img_path=name.strip(),
        gt_landmarks=points.reshape(NUM_LANDMARKS, 2).astype(np.float32),
        face_box=box.astype(np.float32),
        attributes=attributes.astype(np.uint8),
    )


def _to_floats(fields: list[str]) -> np.ndarray:
    try:
        numbers = np.array(fields, np.float64)
    except ValueError:
        numbers = np.array([_to_float(field) for field in fields])
    wrong = np.flatnonzero(~np.isfinite(numbers))
    if wrong.size:
        raise ValueError(f'field {wrong[0] + 1} is {fields[wrong[0]]!r}, not a number')
    return numbers


def _to_float(field: str) -> float:
    try:
        return float(field)
    except ValueError:
        return np.nan
