# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from pathlib import Path

from mmfer.categories import EXPRESSIONS
from mmfer.registry import DATASETS

from .annotation_files import class_name
from .expression_folders import known_folders, read_folders
from .fer2013_backend import fer2013_uri, list_fer2013
from .ferplus_files import PIXELS_FILE
from .holdout_dataset import HoldoutDataset

#: Meaning of the numbers in ``fer2013.csv``.
FER2013_LABELS = {
    0: 'Anger',
    1: 'Disgust',
    2: 'Fear',
    3: 'Happiness',
    4: 'Sadness',
    5: 'Surprise',
    6: 'Neutral',
}

_PARTS = {'Training': 'train', 'PublicTest': 'val', 'PrivateTest': 'test'}


@DATASETS.register_module()
class FER2013(HoldoutDataset):
    """FER2013 with its original labels (Goodfellow et al., ICONIP 2013).

    35,887 gray faces of 48x48 with one of seven expressions. :class:`FERPlus` has the same images
    with better labels. Two layouts are supported; if both exist, the table is read:

    ============  =================================  =======================================
    split         ``fer2013.csv``                    folders ``train/angry``, ``test/angry``
    ============  =================================  =======================================
    ``train``     ``Training``                       ``train``, without the held-out images
    ``val``       ``PublicTest``                     held out by ``val_ratio``, or an error
    ``trainval``  ``Training`` and ``PublicTest``    ``train``
    ``test``      ``PrivateTest``                    ``test``, both test sets together
    ============  =================================  =======================================

    So test accuracies of the two layouts are not comparable.

    Args:
        data_root (str): Folder with ``fer2013.csv``, or with ``train`` and ``test``.
        split (str): ``'train'``, ``'val'``, ``'trainval'`` or ``'test'``. Defaults to ``'train'``.
        val_ratio (float): Share of the folder ``train`` to hold out, in [0, 1). Defaults to 0.
        **kwargs: Further arguments of :class:`FaceDataset`: ``pipeline``, ``classes``, …

    Raises:
        ValueError: ``val_ratio`` is not 0 for the table, which has its own validation split, or 0
            for the folders and ``split='val'``.
    """

    METAINFO = dict(dataset_name='FER2013', task='expression', classes=EXPRESSIONS)

    LAYOUT = (
        f'  {PIXELS_FILE}       ("emotion,pixels,Usage", in any order)\n'
        'or folders of expressions\n'
        '  train/angry/*.jpg, disgust/, fear/, happy/, neutral/, sad/, surprise/\n'
        '  test/angry/*.jpg, …'
    )

    def load_annotations(self) -> list[dict]:
        root = self.require_folder(Path(self.data_root))
        table = root / PIXELS_FILE
        if table.is_file():
            return self._read_table(table)
        if not any((root / part).is_dir() for part in ('train', 'test')):
            raise self.missing(
                f"neither the file '{table}' nor the folders 'train' and 'test' are in '{root}'"
            )
        super().require_part()
        place = self.require_folder(root / self.official)
        folders = known_folders(self, place, 'Rename them')
        return self.hold_out(read_folders(self, place, folders), _name, lambda s: s['gt_label'])

    def require_part(self) -> None:
        """Do nothing: the available splits are known only when the files are found."""

    def _read_table(self, path: Path) -> list[dict]:
        if self.val_ratio:
            raise ValueError(
                f"FER2013: val_ratio={self.val_ratio} is for folders. '{path}' has a validation "
                "split, PublicTest, which split='val' reads; remove val_ratio"
            )
        samples = []
        for number, row in enumerate(list_fer2013(path)):
            if row.usage not in _PARTS:
                raise ValueError(
                    f"FER2013: '{path}', row {number + 1}: Usage is {row.usage!r}, not one of "
                    f'{tuple(_PARTS)}'
                )
            try:
                label = class_name(row.emotion, FER2013_LABELS)
            except ValueError as error:
                raise ValueError(f"FER2013: '{path}', row {number + 1}: {error}") from error
            if _PARTS[row.usage] in self.parts:
                name = f'fer{number:07d}.png'  # its name in FER+
                samples.append(dict(img_path=fer2013_uri(path, row.offset, name), gt_label=label))
        return samples

    def _require_images(self, paths: list[str]) -> None:
        # Rows of the table and files of the listed folders are known to exist.
        pass


def _name(sample: dict) -> str:
    """Return the identifier of an image, independent of folder name and file format."""
    return f'{sample["gt_label"]}/{Path(sample["img_path"]).stem}'
