# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import logging
import re
from pathlib import Path

from mmfer.registry import DATASETS
from mmfer.utils.short_list import short_lines

from .annotation_files import list_files
from .named_split_dataset import NamedSplitDataset

# The rest of a name is the time of collection, with typing errors in a few real names.
_NAME = re.compile(r'(?P<age>\d+)_(?P<gender>[01])_(?P<race>[0-4])_.+\.jpg', re.IGNORECASE)
_AGES = (1, 116)
_PARTS = ('part1', 'part2', 'part3')


@DATASETS.register_module()
class UTKFace(NamedSplitDataset):
    """Faces with an age, 1 to 116 years (Zhang, Song and Qi, CVPR 2017), in the original layout.

    Both releases are supported: the aligned faces of 200x200 in one folder (23,708 files,
    ``25_0_2_20170116171244404.jpg.chip.jpg``) and the images in the wild in ``part1`` to ``part3``.
    The labels are in the names, ``age_gender_race_time``.

    A sample has ``gt_age`` (float, years) and no class. ``gender`` (0 male, 1 female) and ``race``
    (0 to 4), as guessed by the annotators, are kept so that errors can be compared between groups.
    Nothing in mmfer trains on them, and ``PackInputs`` drops them by default.

    There is no official split. An image is assigned to testing (15 %), validation (15 %) or
    training by a hash of its name up to the first dot, so its split is the same in both releases
    and in every subset of them (:func:`~mmfer.datasets.splits.split_by_name`). UTKFace has no
    identities: people may appear in several splits.

    Names without the four fields (three in the aligned release lack one) or with an age outside
    1-116 are skipped, each named in a warning; more than ``max_bad_names`` are an error.

    Args:
        data_root (str): Folder with the images, with ``UTKFace/``, or with ``part1/`` … in it.
        split_file (str, optional): A custom split; names may be with or without folder and
            extension. Defaults to None, the rule above.
        max_bad_names (int): Maximum number of file names without a valid age. Defaults to 10.
        **kwargs: Arguments of :class:`NamedSplitDataset`.
    """

    METAINFO = dict(dataset_name='UTKFace', task='age')

    LAYOUT = (
        '  UTKFace/25_0_2_20170116171244404.jpg.chip.jpg …    (age_gender_race_time; aligned)\n'
        'or\n'
        '  part1/25_0_2_20170116171244404.jpg …, part2/, part3/    (in the wild)\n'
        'or these images directly in data_root'
    )

    def __init__(self, data_root: str, *args, max_bad_names: int = 10, **kwargs):
        self.max_bad_names = self.require_not_negative('max_bad_names', max_bad_names)
        #: (path, reason) of the files that are skipped because of their name.
        self.bad_names: list[tuple[str, str]] = []
        super().__init__(data_root, *args, **kwargs)

    def split_key(self, name: str) -> str:
        return Path(name).name.split('.')[0]

    def load_all(self) -> list[dict]:
        samples, self.bad_names = [], []
        for path in self._images():
            try:
                samples.append(dict(img_path=str(path), **_read_name(path.name)))
            except ValueError as error:
                self.bad_names.append((str(path), str(error)))
        if self.bad_names:
            self._report_bad_names()
        return samples

    def _images(self) -> list[Path]:
        root = self.require_folder(Path(self.data_root))
        releases = {
            'the folder itself': _jpegs(root),
            'UTKFace': _jpegs(root / 'UTKFace'),
            'part1, part2, part3': [path for part in _PARTS for path in _jpegs(root / part)],
        }
        found = {name: images for name, images in releases.items() if images}
        if not found:
            raise self.missing(f"there is no image in '{root}'")
        if len(found) > 1:
            counts = ', '.join(f'{len(images)} in {name}' for name, images in found.items())
            raise ValueError(
                f"UTKFace: '{root}' has more than one release ({counts}) of the same images. "
                'Set data_root to the folder of one of them.'
            )
        return next(iter(found.values()))

    def _report_bad_names(self) -> None:
        bad = [f'{path}: {reason}' for path, reason in self.bad_names]
        listed = short_lines(bad)
        if len(self.bad_names) > self.max_bad_names:
            raise ValueError(
                f'UTKFace: {len(self.bad_names)} file names have no valid age, max_bad_names='
                f'{self.max_bad_names} are allowed. Rename or remove these files, or increase '
                f'max_bad_names of the dataset in the config:{listed}'
            )
        self.log(
            f'{len(self.bad_names)} files are skipped, their names have no valid age:{listed}',
            logging.WARNING,
        )


def _jpegs(folder: Path) -> list[Path]:
    return list_files(folder, ('.jpg',)) if folder.is_dir() else []


def _read_name(name: str) -> dict:
    match = _NAME.fullmatch(name)
    if not match:
        raise ValueError('not like "25_0_2_20170116171244404.jpg" (age_gender_race_time)')
    age = int(match['age'])
    if not _AGES[0] <= age <= _AGES[1]:
        raise ValueError(f'age {age} is not in {_AGES[0]} to {_AGES[1]}')
    return dict(gt_age=float(age), gender=int(match['gender']), race=int(match['race']))
