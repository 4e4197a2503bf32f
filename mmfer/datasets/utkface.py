# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import logging
import re
from pathlib import Path

from mmengine.logging import print_log

from mmfer.registry import DATASETS

from .named_split_dataset import NamedSplitDataset

# The rest of a name is the time of collection; a few of the real ones are mistyped there.
_NAME = re.compile(r'(?P<age>\d+)_(?P<gender>[01])_(?P<race>[0-4])_.+\.jpg', re.IGNORECASE)
_AGES = (1, 116)
_PARTS = ('part1', 'part2', 'part3')


@DATASETS.register_module()
class UTKFace(NamedSplitDataset):
    """Faces with an age, 1 to 116 years (Zhang, Song and Qi, CVPR 2017), as the authors ship them.

    Both releases are read: the aligned faces of 200x200 in one folder (23,708 files,
    ``25_0_2_20170116171244404.jpg.chip.jpg``) and the pictures in the wild in ``part1`` to
    ``part3``. The labels are in the names, ``age_gender_race_time``.

    A sample has ``gt_age`` (float, years) and no class. ``gender`` (0 male, 1 female) and ``race``
    (0 to 4), as the annotators guessed them, stay with the sample so that errors can be compared
    between groups; nothing in mmfer trains on them, and ``PackInputs`` drops them unless asked.

    There is no official split. A picture goes to testing (15 %), validation (15 %) or training by a
    hash of its name up to the first dot, so it is in the same part in both releases and in every
    subset of them (:func:`~mmfer.datasets.splits.split_by_name`). UTKFace does not say who is
    shown: people may appear in several parts.

    Names without the four fields (three of the aligned release lack one) or with an age outside
    1-116 are left out, each named in a warning; more than ``max_bad_names`` are an error.

    Args:
        data_root: Folder with the pictures, with ``UTKFace/``, or with ``part1/`` … in it.
        split: ``'train'``, ``'val'``, ``'trainval'`` or ``'test'``. Default ``'train'``.
        split_file: Another split, see :class:`NamedSplitDataset`; names with or without folder and
            extension. Default: the rule above.
        max_bad_names: File names tolerated that give no age. Default 10.
        **kwargs: Further arguments of :class:`NamedSplitDataset`: ``pipeline``, ``test_mode``, …

    Raises:
        FileNotFoundError: There is no folder or no picture, or the split file or one of its is not.
        ValueError: An argument is wrong, too many names are, or both releases lie in ``data_root``.
    """

    METAINFO = dict(dataset_name='UTKFace', task='age')

    LAYOUT = (
        '  UTKFace/25_0_2_20170116171244404.jpg.chip.jpg …    (age_gender_race_time; aligned)\n'
        'or\n'
        '  part1/25_0_2_20170116171244404.jpg …, part2/, part3/    (in the wild)\n'
        'or such pictures without the folder'
    )

    def __init__(self, data_root: str, *args, max_bad_names: int = 10, **kwargs):
        if max_bad_names < 0:
            raise ValueError(f'UTKFace: max_bad_names must be 0 or more, not {max_bad_names}')
        self.max_bad_names = max_bad_names
        #: (path, reason) of the files left out because of their name.
        self.bad_names: list[tuple[str, str]] = []
        super().__init__(data_root, *args, **kwargs)

    def split_key(self, name: str) -> str:
        return Path(name).name.split('.')[0]

    def load_all(self) -> list[dict]:
        samples, self.bad_names = [], []
        for path in self._pictures():
            try:
                samples.append(dict(img_path=str(path), **_read_name(path.name)))
            except ValueError as error:
                self.bad_names.append((str(path), str(error)))
        self._tell_bad_names()
        return samples

    def _pictures(self) -> list[Path]:
        root = self.require_folder(Path(self.data_root))
        releases = {
            'the folder itself': _jpegs(root),
            'UTKFace': _jpegs(root / 'UTKFace'),
            'part1, part2, part3': [path for part in _PARTS for path in _jpegs(root / part)],
        }
        found = {name: pictures for name, pictures in releases.items() if pictures}
        if not found:
            raise self._missing(f"there is no picture in '{root}'")
        if len(found) > 1:
            counts = ', '.join(f'{len(pictures)} in {name}' for name, pictures in found.items())
            raise ValueError(
                f"UTKFace: '{root}' holds more than one release ({counts}), whose pictures are the "
                'same. Set data_root to the folder of one of them.'
            )
        return next(iter(found.values()))

    def _tell_bad_names(self) -> None:
        if not self.bad_names:
            return
        listed = ''.join(f'\n  {path}: {reason}' for path, reason in self.bad_names)
        if len(self.bad_names) > self.max_bad_names:
            raise ValueError(
                f'UTKFace: {len(self.bad_names)} file names give no age, max_bad_names='
                f'{self.max_bad_names} are tolerated. Rename or remove these files, or raise '
                f'max_bad_names of the dataset in the config:{listed}'
            )
        print_log(
            f'UTKFace: left out {len(self.bad_names)} files whose names give no age:{listed}',
            'current',
            logging.WARNING,
        )


def _jpegs(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.suffix.lower() == '.jpg')


def _read_name(name: str) -> dict:
    match = _NAME.fullmatch(name)
    if not match:
        raise ValueError('not like "25_0_2_20170116171244404.jpg" (age_gender_race_time)')
    age = int(match['age'])
    if not _AGES[0] <= age <= _AGES[1]:
        raise ValueError(f'age {age} is not in {_AGES[0]} to {_AGES[1]}')
    return dict(gt_age=float(age), gender=int(match['gender']), race=int(match['race']))
