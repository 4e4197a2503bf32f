# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import math
from operator import itemgetter
from pathlib import Path

import numpy as np

from mmfer.registry import DATASETS
from mmfer.wflw_points import NUM_LANDMARKS

from .annotation_files import read_lines
from .holdout_dataset import HoldoutDataset
from .transforms.annotation_check import check_box

#: Attributes of hard faces, in the order of the files: large pose, exaggerated expression and so
#: on.
WFLW_ATTRIBUTES = ('pose', 'expression', 'illumination', 'makeup', 'occlusion', 'blur')

_NUM_NUMBERS = 2 * NUM_LANDMARKS + 4 + len(WFLW_ATTRIBUTES)
_LISTS = 'WFLW_annotations/list_98pt_rect_attr_train_test'


@DATASETS.register_module()
class WFLW(HoldoutDataset):
    """98 landmarks of faces in the wild (Wu et al., CVPR 2018), in the original layout.

    7,500 training and 2,500 test faces. An image may have several faces; each face is a sample,
    with

    ================  ============================================================================
    ``gt_landmarks``  float32, (98, 2), (x, y) in pixels of the image
    ``face_box``      float32, (4,), x1, y1, x2, y2 of the detected face, in the same pixels
    ``attributes``    uint8, (6,), 1 if the face has the attribute of :data:`WFLW_ATTRIBUTES`, also
                      in ``metainfo['attributes']``
    ================  ============================================================================

    Note:
        WFLW does not define its pixel origin. The numbers are used unchanged, with the center of
        the first pixel at (0, 0).

    ``val_ratio`` holds out images by their names, so faces of one image stay together.

    Args:
        data_root (str): Folder with ``WFLW_images`` and ``WFLW_annotations`` in it.
        subset (str, optional): One of :data:`WFLW_ATTRIBUTES`; only faces that have it are read.
            Defaults to None, all faces.
        **kwargs: Arguments of :class:`HoldoutDataset`.
    """

    METAINFO = dict(dataset_name='WFLW', task='landmarks', attributes=WFLW_ATTRIBUTES)

    LAYOUT = (
        f'  {_LISTS}/list_98pt_rect_attr_train.txt\n'
        f'  {_LISTS}/list_98pt_rect_attr_test.txt\n'
        '  WFLW_images/0--Parade/0_Parade_marchingband_1_116.jpg …    (as in the lists)'
    )

    SHOWN = (*HoldoutDataset.SHOWN, 'subset')

    def __init__(
        self,
        data_root: str,
        *args,
        subset: str | None = None,
        **kwargs,
    ):
        self.subset = self.require_one_of('subset', subset, (None, *WFLW_ATTRIBUTES))
        super().__init__(data_root, *args, **kwargs)

    def load_annotations(self) -> list[dict]:
        root = self.require_folder(Path(self.data_root))
        images = self.require_folder(root / 'WFLW_images')
        path = self.require_file(root / _LISTS / f'list_98pt_rect_attr_{self.official}.txt')
        faces = self.hold_out(read_lines(path, _read_line, _statement), itemgetter('img_path'))
        if self.subset is not None:
            column = WFLW_ATTRIBUTES.index(self.subset)
            faces = [face for face in faces if face['attributes'][column]]
        return [{**face, 'img_path': str(images / face['img_path'])} for face in faces]


def _statement(face: dict) -> tuple[tuple, list]:
    """Identify a face by its image and its points."""
    return (face['img_path'], face['gt_landmarks'].tobytes()), face['attributes'].tolist()


def _read_line(line: str) -> dict:
    """Parse a face; ``img_path`` is relative, as in the file."""
    fields = line.split(maxsplit=_NUM_NUMBERS)
    if len(fields) != _NUM_NUMBERS + 1:
        raise ValueError(
            f'{len(fields)} fields instead of {_NUM_NUMBERS + 1}: x y of 98 points, x1 y1 x2 y2 of '
            f'the box, {len(WFLW_ATTRIBUTES)} attributes, image name'
        )
    *numbers, name = fields
    values = np.array([_to_float(*field) for field in enumerate(numbers, start=1)])
    points, box, attributes = np.split(values, [2 * NUM_LANDMARKS, 2 * NUM_LANDMARKS + 4])
    check_box(box)
    if not np.isin(attributes, (0, 1)).all():
        named = dict(zip(WFLW_ATTRIBUTES, numbers[-len(WFLW_ATTRIBUTES) :], strict=True))
        raise ValueError(f'attributes must be 0 or 1, not {named}')
    return dict(
        img_path=name.strip(),
        gt_landmarks=points.reshape(NUM_LANDMARKS, 2).astype(np.float32),
        face_box=box.astype(np.float32),
        attributes=attributes.astype(np.uint8),
    )


def _to_float(place: int, field: str) -> float:
    try:
        number = float(field)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f'field {place} is {field!r}, not a number')
    return number
