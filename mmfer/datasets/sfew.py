# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from pathlib import Path

from mmfer.categories import EXPRESSIONS
from mmfer.registry import DATASETS

from .expression_folders import known_folders, read_folders
from .face_dataset import FaceDataset


@DATASETS.register_module()
class SFEW(FaceDataset):
    """SFEW 2.0: aligned faces from movie frames (Dhall et al., EmotiW 2015).

    958 images for training, 436 for validation and 372 for testing; the folders of aligned faces
    have fewer, because not every face was found. Seven expressions, one folder each.

    The labels of the test set are not public, so results are reported on ``'val'``. ``'trainval'``
    is both labeled splits. ``'test'`` requires the labels, as folders.

    Args:
        data_root (str): Folder with ``Train`` and ``Val`` in it.
        split (str): ``'train'``, ``'val'``, ``'trainval'`` or ``'test'``. Defaults to ``'train'``.
        image_dir (str, optional): Folder that contains the expression folders of a split, relative
            to ``data_root``, with ``{part}`` for ``Train``, ``Val`` or ``Test``, such as
            ``'aligned112/{part}'`` for your own alignment. Defaults to
            ``{part}/{part}_Aligned_Faces`` (or a longer name, such as ``Val_Aligned_Faces_new``) if
            it exists, else ``{part}``.
        **kwargs: Arguments of :class:`FaceDataset`.
    """

    METAINFO = dict(dataset_name='SFEW', task='expression', classes=EXPRESSIONS)

    LAYOUT = (
        '  Train/Train_Aligned_Faces/Angry/Airheads_000519240_00000005.png …\n'
        '  Train/Train_Aligned_Faces/Disgust/, Fear/, Happy/, Neutral/, Sad/, Surprise/\n'
        '  Val/Val_Aligned_Faces/…\n'
        'or the same without the folders in the middle: Train/Angry/, …'
    )

    def __init__(self, data_root: str, *args, image_dir: str | None = None, **kwargs):
        self.image_dir = image_dir
        super().__init__(data_root, *args, **kwargs)

    def load_annotations(self) -> list[dict]:
        root = self.require_folder(Path(self.data_root))
        samples = []
        for part in map(str.capitalize, self.parts):
            if part == 'Test' and not (root / 'Test').is_dir() and not self.image_dir:
                raise self._unlabeled()
            place = self._find_place(part)
            folders = known_folders(self, place, 'Set image_dir to the right folder')
            if part == 'Test' and not folders:
                raise self._unlabeled()
            samples += read_folders(self, place, folders)
        return samples

    def _find_place(self, part: str) -> Path:
        root = Path(self.data_root)
        if self.image_dir is not None:
            return self.require_folder(root / self.image_dir.format(part=part))
        folder = self.require_folder(root / part)
        aligned = sorted(path for path in folder.glob(f'{part}_Aligned_Faces*') if path.is_dir())
        if len(aligned) > 1:
            raise ValueError(
                f"SFEW: '{folder}' has {[path.name for path in aligned]}. Select one with "
                f"image_dir, such as image_dir='{{part}}/{{part}}_Aligned_Faces'"
            )
        return aligned[0] if aligned else folder

    def _unlabeled(self) -> ValueError:
        return self.empty(
            "as the labels of the test set are not public: 'Test' has no expression folders. "
            "Results are reported on split='val'"
        )
