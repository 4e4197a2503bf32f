# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from collections.abc import Mapping
from pathlib import Path

from mmfer.categories import EXPRESSIONS
from mmfer.registry import DATASETS

from .expression_folders import EXPRESSION_FOLDERS, known_folders, read_folders
from .named_split_dataset import NamedSplitDataset
from .splits import split_by_rank


@DATASETS.register_module()
class AffectNetHQ(NamedSplitDataset):
    """AffectNet-HQ: seven expressions, one folder each; or any other such folders.

    A selection from AffectNet (Mollahosseini, Hasani and Mahoor, 2019) at higher resolution, which
    is distributed as ``affectnethq``. Its folders are anger, disgust, fear, happy, neutral, sad and
    surprise.

    There is no official split. As in the KT-Adapter paper, whose accuracies are all multiples of
    1/4,173, the test split has 15 %: of the 27,823 images, 4,173 are for testing, 4,173 for
    validation and 19,477 for training. Other selections are split as close to these shares as
    possible. The split of an image follows from a hash of its expression and file name without
    extension, such as ``Anger/00017`` (:func:`~mmfer.datasets.splits.split_by_rank`). It depends on
    all images present: if some are added or removed, a few others change their split.
    ``split='trainval'`` is everything except the test split; the paper does not say whether it held
    out a validation split.

    Args:
        data_root (str): Folder with one folder per expression.
        split_file (str, optional): A custom split, with names such as ``anger/00017.jpg``. Defaults
            to None, the rule above.
        folders (Mapping[str, str], optional): Folder -> class, for other names than those in
            :data:`.EXPRESSION_FOLDERS`. Several folders may have one class; folders that are not in
            the mapping are not read. Defaults to None: folders are matched by those names, and a
            folder with another name is an error.
        **kwargs: Arguments of :class:`NamedSplitDataset`.
    """

    METAINFO = dict(dataset_name='AffectNetHQ', task='expression', classes=EXPRESSIONS)

    LAYOUT = '  anger/00000.jpg …\n  disgust/, fear/, happy/, neutral/, sad/, surprise/'

    def __init__(self, data_root: str, *args, folders: Mapping[str, str] | None = None, **kwargs):
        self.folders = dict(folders) if folders is not None else None
        super().__init__(data_root, *args, **kwargs)

    @property
    def known_classes(self) -> tuple[str, ...]:
        return (*EXPRESSIONS, *(self.folders or {}).values())

    def load_all(self) -> list[dict]:
        root = self.require_folder(Path(self.data_root))
        if self.folders is None:
            found = known_folders(self, root, 'Map them to classes with folders=dict(...)')
        else:
            found = dict(sorted(self.folders.items()))
            allowed = tuple(dict.fromkeys((*self._metainfo['classes'], *EXPRESSIONS)))
            for folder, name in found.items():
                self.require_one_of(f'class of {folder!r} in folders', name, allowed)
        self._class_of_folder = found
        return read_folders(self, root, found)

    def parts_by_rule(self, keys: list[str]) -> dict[str, str]:
        return split_by_rank(keys)

    def split_key(self, name: str) -> str:
        path = Path(name)
        folder = path.parent.name
        expression = self._class_of_folder.get(folder) or EXPRESSION_FOLDERS.get(folder.lower())
        if expression is None:
            raise ValueError(
                f'{name!r} is not like "anger/00017.jpg" with a folder of '
                f'{tuple(self._class_of_folder)}'
            )
        return f'{expression}/{path.stem}'
