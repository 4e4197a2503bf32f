# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import re
from pathlib import Path, PureWindowsPath

from mmfer.registry import DATASETS

from .class_numbers import class_numbers
from .named_split_dataset import NamedSplitDataset
from .splits import random_cfp_split, stratified_cfp_split

#: Allowed values of ``split_rule`` and their functions.
CFP_SPLITS = dict(random=random_cfp_split, stratified=stratified_cfp_split)

_NUM_IMAGES = 10


@DATASETS.register_module()
class CFP(NamedSplitDataset):
    """The frontal images of Celebrities in Frontal-Profile (Sengupta et al., WACV 2016).

    500 people with ten frontal images each; their four profile images are not read. The class is
    the person, and class names are the folder numbers (``'001'`` …). ``classes`` defaults to all
    people in ``data_root``.

    CFP's own protocol compares pairs and has no split for identification. Here 3,500 images are
    ``train``, 750 ``val`` and 750 ``test`` (15 %), and every person is in training. The KT-Adapter
    paper does not publish its split. Nearly all of its verification rates are multiples of 1/484,
    so its test split has 484 pairs of images of one person:

    * ``split_rule='random'``: images are drawn with a fixed seed, regardless of the person
      (:func:`~mmfer.datasets.splits.random_cfp_split`). 506 +- 19 such pairs are expected, this
      split has 493. 402 of the 500 people are in testing; compute macro F1 over these
      (:class:`~mmfer.evaluation.PresentClassesMetric`).
    * ``split_rule='stratified'``: seven images of every person are for training, one or two for
      testing (:func:`~mmfer.datasets.splits.stratified_cfp_split`), exactly 250 pairs.

    The split of an image does not depend on which other images exist.

    Args:
        data_root (str): Folder that contains ``Data/``, or ``Data`` itself.
        split_rule (str): ``'random'`` or ``'stratified'``. Defaults to ``'random'``.
        split_file (str, optional): A custom split, with names such as ``001/07`` or
            ``001/frontal/07.jpg``. Defaults to None, the rule above.
        **kwargs: Arguments of :class:`NamedSplitDataset`.
    """

    METAINFO = dict(dataset_name='CFP', task='recognition')

    SHOWN = (*NamedSplitDataset.SHOWN, 'split_rule')

    LAYOUT = '  Data/Images/001/frontal/01.jpg … 10.jpg    (500 people: 001 to 500)'

    def __init__(self, data_root: str, *args, split_rule: str = 'random', **kwargs):
        self.split_rule = self.require_one_of('split_rule', split_rule, tuple(CFP_SPLITS))
        super().__init__(data_root, *args, **kwargs)

    @property
    def known_classes(self) -> tuple[str, ...]:
        return self._people

    def load_all(self) -> list[dict]:
        root = self.require_folder(Path(self.data_root))
        data = root if (root / 'Images').is_dir() else root / 'Data'
        images = self.require_folder(data / 'Images')
        present = sorted(p.name for p in images.iterdir() if p.name.isdecimal() and p.is_dir())
        classes = self._metainfo.setdefault('classes', tuple(present))
        self._people = tuple(present)
        class_numbers('CFP', classes, present)
        for person in classes:
            self.require_folder(images / person / 'frontal')
        return [
            dict(img_path=str(images / person / f'frontal/{number:02d}.jpg'), gt_label=person)
            for person in dict.fromkeys((*classes, *present))
            for number in range(1, _NUM_IMAGES + 1)
        ]

    def split_key(self, name: str) -> str:
        path = PureWindowsPath(name).as_posix()  # also parses POSIX paths
        match = re.fullmatch(r'(?:.*/)?(\d+)/(?:frontal/)?(\d+)(?:\.jpg)?', path)
        if not match:
            raise ValueError(f'{name!r} is not like "001/07" or "001/frontal/07.jpg"')
        return f'{int(match[1]):03d}/{int(match[2]):02d}'

    def parts_by_rule(self, keys: list[str]) -> dict[str, str]:
        parts = CFP_SPLITS[self.split_rule]()
        used = {self.split_key(f'{person}/1')[:-3] for person in self._metainfo['classes']}
        unknown = [key for key in keys if key not in parts and key[:-3] in used]
        if unknown:
            raise ValueError(
                f"CFP has the people 001 to 500; '{self.data_root}' has {unknown[0]!r} too. Set "
                'split_file to a file with its split, or select people by classes'
            )
        return parts
