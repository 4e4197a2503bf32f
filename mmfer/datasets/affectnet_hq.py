# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from collections.abc import Mapping
from pathlib import Path

from mmfer.categories import EXPRESSIONS
from mmfer.registry import DATASETS

from .named_split_dataset import NamedSplitDataset

#: Names of folders (in lower case) and what they mean.
AFFECTNET_HQ_FOLDERS = {
    'anger': 'Anger',
    'angry': 'Anger',
    'disgust': 'Disgust',
    'disgusted': 'Disgust',
    'fear': 'Fear',
    'fearful': 'Fear',
    'happiness': 'Happiness',
    'happy': 'Happiness',
    'neutral': 'Neutral',
    'sad': 'Sadness',
    'sadness': 'Sadness',
    'surprise': 'Surprise',
    'surprised': 'Surprise',
}
_EXTENSIONS = ('.jpg', '.jpeg', '.png', '.bmp', '.webp')


@DATASETS.register_module()
class AffectNetHQ(NamedSplitDataset):
    """AffectNet-HQ: seven expressions, a folder each; or any such folders.

    A selection from AffectNet (Mollahosseini, Hasani and Mahoor, 2019) at higher resolution, which
    goes round as ``affectnethq``. Its classes are anger, disgust, fear, happy, neutral, sad and
    surprise; labels are numbered in mmfer's order (:data:`mmfer.datasets.EXPRESSIONS`), whatever
    the folders are called.

    There is no official split. A picture goes to testing (15 %), validation (15 %) or training by a
    hash of its expression and file name without extension, such as ``Anger/00017``
    (:func:`~mmfer.datasets.splits.split_by_name`): the shares of a class are met but for chance.

    Args:
        data_root: Folder with a folder for each expression.
        split: ``'train'``, ``'val'``, ``'trainval'`` or ``'test'``. Default ``'train'``.
        folders: Folder -> class, for other names than those of :data:`AFFECTNET_HQ_FOLDERS`;
            several folders may be one class, and folders that it does not name are not read.
            Default: by those names, and a folder of another name is an error.
        split_file: Another split, see :class:`NamedSplitDataset`; names such as
            ``anger/00017.jpg``. Default: the rule above.
        **kwargs: Further arguments of :class:`NamedSplitDataset`: ``pipeline``, and ``classes`` to
            read some of the expressions only, or in another order.

    Raises:
        FileNotFoundError: A class has no folder, or a folder of ``folders`` is missing.
        ValueError: An argument is wrong, or a folder's name is unknown; says which are known.
    """

    METAINFO = dict(dataset_name='AffectNetHQ', task='expression', classes=EXPRESSIONS)

    LAYOUT = (
        '  anger/00000.jpg …\n'
        '  disgust/, fear/, happy/, neutral/, sad/, surprise/    (.jpg, .jpeg, .png, .bmp, .webp)'
    )

    def __init__(self, data_root: str, *args, folders: Mapping[str, str] | None = None, **kwargs):
        self.folders = dict(folders) if folders is not None else None
        super().__init__(data_root, *args, **kwargs)

    def load_all(self) -> list[dict]:
        classes = self._metainfo['classes']
        samples = []
        self._class_of_folder = self._find_folders(self.require_folder(Path(self.data_root)))
        for folder, name in self._class_of_folder.items():
            if name not in classes:
                continue
            label = classes.index(name)
            pictures = sorted(
                path
                for path in (Path(self.data_root) / folder).iterdir()
                if path.suffix.lower() in _EXTENSIONS
            )
            samples += [dict(img_path=str(path), gt_label=label) for path in pictures]
        return samples

    def split_key(self, name: str) -> str:
        path = Path(name)
        folder = path.parent.name
        expression = self._class_of_folder.get(folder) or AFFECTNET_HQ_FOLDERS.get(folder.lower())
        if expression is None:
            raise ValueError(
                f'{name!r} is not like "anger/00017.jpg" with a folder of '
                f'{tuple(self._class_of_folder)}'
            )
        return f'{expression}/{path.stem}'

    def _find_folders(self, root: Path) -> dict[str, str]:
        """Class of each folder that is read, in alphabetical order of the folders."""
        classes = self._metainfo['classes']
        if self.folders is None:
            present = sorted(p.name for p in root.iterdir() if p.is_dir() and p.name[0] != '.')
            found = {folder: AFFECTNET_HQ_FOLDERS.get(folder.lower()) for folder in present}
            unknown = [folder for folder, name in found.items() if name is None]
            if unknown:
                raise ValueError(
                    f"AffectNetHQ: '{root}' has the folders {unknown}; known names are "
                    f'{tuple(AFFECTNET_HQ_FOLDERS)}. Say what they are with folders=dict(...), or '
                    'move them elsewhere'
                )
        else:
            found = dict(sorted(self.folders.items()))
            for folder, name in found.items():
                self.require_folder(root / folder)
                if name not in classes:
                    raise ValueError(
                        f'AffectNetHQ: folders says {folder!r} is {name!r}; this dataset is set to '
                        f'the classes {tuple(classes)}'
                    )
        lacking = [name for name in classes if name not in found.values()]
        if lacking:
            raise self._missing(
                f"'{root}' has no folder for {lacking}; to read fewer expressions, set classes"
            )
        return found
