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
    """AffectNet-HQ: seven expressions, a folder each; or any such folders.

    A selection from AffectNet (Mollahosseini, Hasani and Mahoor, 2019) at higher resolution, which
    goes round as ``affectnethq``. Its folders are anger, disgust, fear, happy, neutral, sad and
    surprise.

    There is no official split. As the KT-Adapter paper, all of whose accuracies are multiples of
    1/4,173, 15 % are tested: of its 27,823 images 4,173 test, as many validate and 19,477 train,
    and of other selections as near to these shares as can be. Which ones, a hash of expression and
    file name without extension, such as ``Anger/00017``, decides
    (:func:`~mmfer.datasets.splits.split_by_rank`). The split depends on all images that are there:
    where some are added or removed, a few others change their part. ``split='trainval'`` is
    everything that is not tested; the paper does not say whether it held out a validation part.

    Args:
        data_root (str): Folder with a folder for each expression.
        split_file: Another split, with names such as
            ``anger/00017.jpg``. Defaults to the rule above.
        folders (Mapping[str, str], optional): Folder -> class, for other names than those of
            :data:`.EXPRESSION_FOLDERS`; several folders may be one class, and folders that it does
            not name are not read. Default: by those names, and a folder of another name is an
            error.
        **kwargs: Of :class:`NamedSplitDataset`.
    """

    METAINFO = dict(dataset_name='AffectNetHQ', task='expression', classes=EXPRESSIONS)

    LAYOUT = (
        '  anger/00000.jpg …\n'
        '  disgust/, fear/, happy/, neutral/, sad/, surprise/    (.jpg, .jpeg, .png, .bmp, .webp)'
    )

    def __init__(self, data_root: str, *args, folders: Mapping[str, str] | None = None, **kwargs):
        self.folders = dict(folders) if folders is not None else None
        super().__init__(data_root, *args, **kwargs)

    @property
    def known_classes(self) -> tuple[str, ...]:
        return (*EXPRESSIONS, *(self.folders or {}).values())

    def load_all(self) -> list[dict]:
        root = self.require_folder(Path(self.data_root))
        if self.folders is None:
            found = known_folders(self, root, 'Say what they are with folders=dict(...)')
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
