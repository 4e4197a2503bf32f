# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from pathlib import Path

from mmfer.categories import EXPRESSIONS
from mmfer.registry import DATASETS

from .face_dataset import EmptySplitError, FaceDataset
from .splits import SPLITS

#: Names of the folders and what they mean.
SFEW_FOLDERS = {
    'Angry': 'Anger',
    'Disgust': 'Disgust',
    'Fear': 'Fear',
    'Happy': 'Happiness',
    'Neutral': 'Neutral',
    'Sad': 'Sadness',
    'Surprise': 'Surprise',
}

_PARTS = {'train': ('Train',), 'val': ('Val',), 'trainval': ('Train', 'Val'), 'test': ('Test',)}
_EXTENSIONS = ('.png', '.jpg', '.jpeg', '.bmp')


@DATASETS.register_module()
class SFEW(FaceDataset):
    """SFEW 2.0: aligned faces from frames of films (Dhall et al., EmotiW 2015).

    958 pictures for training, 436 for validation and 372 for testing; the folders of aligned faces
    hold fewer, as not every face was found. Seven expressions, a folder each, numbered in mmfer's
    order (:data:`mmfer.datasets.EXPRESSIONS`).

    The labels of the test part are not public, so results are reported on ``'val'``. ``'trainval'``
    is both labelled parts. ``'test'`` is for those who hold the labels, as folders.

    Args:
        data_root: Folder with ``Train`` and ``Val`` in it.
        split: ``'train'``, ``'val'``, ``'trainval'`` or ``'test'``. Default ``'train'``.
        image_dir: Where the folders of a part's expressions are, relative to ``data_root``, given
            the ``{part}`` (``Train``, ``Val`` or ``Test``), such as ``'aligned112/{part}'`` for
            one's own alignment. Default: in ``{part}/{part}_Aligned_Faces`` (or a name that goes on
            from there, such as ``Val_Aligned_Faces_new``) where there is one, else in ``{part}``.
        test_mode: Whether an unreadable image is an error at once. Default: for ``'val'`` and
            ``'test'``.
        **kwargs: Further arguments of :class:`FaceDataset`: ``pipeline``, ``max_bad_images``, and
            ``classes`` to number the expressions otherwise or to read some only.

    Raises:
        FileNotFoundError: A folder of a part or an expression is missing.
        ValueError: An argument is wrong, a folder's name is unknown, or a part has no labels.
    """

    METAINFO = dict(dataset_name='SFEW', task='expression', classes=EXPRESSIONS)

    LAYOUT = (
        '  Train/Train_Aligned_Faces/Angry/Airheads_000519240_00000005.png …\n'
        '  Train/Train_Aligned_Faces/Disgust/, Fear/, Happy/, Neutral/, Sad/, Surprise/\n'
        '  Val/Val_Aligned_Faces/…\n'
        'or the same without the folders in the middle: Train/Angry/, …'
    )

    def __init__(
        self,
        data_root: str,
        split: str = 'train',
        image_dir: str | None = None,
        test_mode: bool | None = None,
        **kwargs,
    ):
        if split not in SPLITS:
            raise ValueError(f'SFEW: split must be one of {SPLITS}, not {split!r}')
        self.split = split
        self.image_dir = image_dir
        if test_mode is None:
            test_mode = split in ('val', 'test')
        super().__init__(data_root=data_root, test_mode=test_mode, **kwargs)

    def load_annotations(self) -> list[dict]:
        self.require_folder(Path(self.data_root))
        classes = self._metainfo['classes']
        samples = []
        for part in _PARTS[self.split]:
            for folder, name in self._find_expressions(part).items():
                if name in classes:
                    label = classes.index(name)
                    pictures = sorted(
                        path for path in folder.iterdir() if path.suffix.lower() in _EXTENSIONS
                    )
                    samples += [dict(img_path=str(path), gt_label=label) for path in pictures]
        return samples

    def _find_expressions(self, part: str) -> dict[Path, str]:
        """Class of each folder of a part."""
        if part == 'Test' and not (Path(self.data_root) / 'Test').is_dir() and not self.image_dir:
            raise _unlabelled()
        place = self._find_place(part)
        folders = [path for path in sorted(place.iterdir()) if path.is_dir()]
        if part == 'Test' and not folders:
            raise _unlabelled()
        unknown = [path.name for path in folders if path.name not in SFEW_FOLDERS]
        if unknown:
            raise ValueError(
                f"SFEW: '{place}' has the folders {unknown}; those of expressions are called "
                f'{tuple(SFEW_FOLDERS)}. Set image_dir to where these are, or move the others'
            )
        found = {path: SFEW_FOLDERS[path.name] for path in folders}
        lacking = [name for name in self._metainfo['classes'] if name not in found.values()]
        if lacking:
            raise self._missing(
                f"'{place}' has no folder for {lacking}; to read fewer expressions, set classes"
            )
        return found

    def _find_place(self, part: str) -> Path:
        root = Path(self.data_root)
        if self.image_dir is not None:
            return self.require_folder(root / self.image_dir.format(part=part))
        folder = self.require_folder(root / part)
        aligned = sorted(path for path in folder.glob(f'{part}_Aligned_Faces*') if path.is_dir())
        if len(aligned) > 1:
            raise ValueError(
                f"SFEW: '{folder}' holds {[path.name for path in aligned]}. Say which one with "
                f"image_dir, such as image_dir='{{part}}/{{part}}_Aligned_Faces'"
            )
        return aligned[0] if aligned else folder

    def extra_repr(self) -> list[str]:
        return [*super().extra_repr(), f'Split: \t{self.split}']


def _unlabelled() -> EmptySplitError:
    return EmptySplitError(
        "SFEW: split='test' is empty, as the labels of the test part are not public: 'Test' has no "
        "folders of expressions. Results are reported on split='val'"
    )
