# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import logging
from operator import attrgetter
from pathlib import Path

from mmfer.registry import DATASETS

from .annotation_files import class_name, read_lines
from .holdout_dataset import HoldoutDataset
from .rafdb_folders import FolderImage, find_folders, read_folders
from .skip_list import ALIGNMENT_REPORT, read_skip_list

#: What the numbers in RAF-DB's label file mean.
RAFDB_LABELS = {
    1: 'Surprise',
    2: 'Fear',
    3: 'Disgust',
    4: 'Happiness',
    5: 'Sadness',
    6: 'Anger',
    7: 'Neutral',
}

_ALIGN = 'python tools/dataset_converters/align_faces.py'
_AS_THE_RELEASE = '--detector mtcnn --size 224 --several score --min-score .8 --min-size 20'
_CROPS, _CROP_NAME = 'Image/aligned', '{stem}_aligned.jpg'
_LIST = 'EmoLabel/list_patition_label.txt'


@DATASETS.register_module()
class RAFDB(HoldoutDataset):
    """The basic-emotion part of RAF-DB (Li, Deng and Du, CVPR 2017).

    12,271 training and 3,068 test images with one of seven classes: crops of 100x100 that are
    aligned already, or, by ``image_dir``, faces that were aligned anew from ``Image/original``.

    It is read as its authors ship it or, where their list is missing, as it is on Kaggle: the crops
    in a folder for each label (:mod:`.rafdb_folders`). Samples, labels and the part that
    ``val_ratio`` holds out are the same.

    Args:
        data_root (str): Folder with ``basic/`` in it, or ``basic`` itself; or the folder with
            ``DATASET/`` in it, or ``DATASET`` itself.
        image_dir (str): Folder of the images, relative to ``basic`` (to ``data_root`` where the
            labels are folders), such as ``'Image/aligned_224'``. Defaults to ``'Image/aligned'``,
            or the folders of the labels.
        image_name (str): How an image is called, given the ``{stem}`` of its name in the list.
            Defaults to ``'{stem}_aligned.jpg'``.
        skip_list (str, optional): Images that alignment left out, which are no samples: a text file
            with a name a line, or the report of ``align_faces.py``, relative to ``image_dir``. The
            log has their number, :attr:`num_skipped`. They are left out after ``val_ratio`` has
            chosen, so that all others stay in their part. Any other image that is not there is an
            error. Defaults to those of ``alignment.csv``, if it is there, that have no file.
        **kwargs: Of :class:`HoldoutDataset`.
    """

    LAYOUT = (
        '  basic/EmoLabel/list_patition_label.txt      (lines such as "train_00001.jpg 5")\n'
        '  basic/Image/aligned/train_00001_aligned.jpg …\n'
        '  basic/Image/aligned/test_0001_aligned.jpg …\n'
        "or, with image_dir='Image/aligned_224' and image_name='{stem}.jpg', faces aligned anew\n"
        '  basic/Image/aligned_224/train_00001.jpg …, test_0001.jpg …\n'
        '  basic/Image/aligned_224/alignment.csv, or skip_list=FILE, for those that have no face\n'
        'or as on Kaggle, the crops in a folder for each label, 1 to 7\n'
        '  DATASET/train/1/train_00002_aligned.jpg …, DATASET/test/7/test_0001_aligned.jpg …\n'
        '  train_labels.csv, test_labels.csv           ("image,label"; they may be missing)'
    )

    SHOWN = (*HoldoutDataset.SHOWN, 'image_dir', 'num_skipped')

    def __init__(
        self,
        data_root: str,
        *args,
        image_dir: str = _CROPS,
        image_name: str = _CROP_NAME,
        skip_list: str | None = None,
        **kwargs,
    ):
        self.image_dir = image_dir
        self.image_name = image_name
        self.skip_list = skip_list
        #: Images of the split that are no samples, as alignment found no face in them.
        self.num_skipped = 0
        super().__init__(data_root, *args, **kwargs)

    def load_annotations(self) -> list[dict]:
        root = self.require_folder(Path(self.data_root))
        basic = root if (root / 'EmoLabel').is_dir() else root / 'basic'
        folders = None if (basic / _LIST).is_file() else find_folders(root, RAFDB_LABELS)
        if folders is None:
            image_dir = self._require_images_of(basic)
            # A line is about its first word and says the second.
            entries = read_lines(self.require_file(basic / _LIST), _read_line, statement=tuple)
            entries = [FolderImage(*entry, self._image(image_dir, entry[0])) for entry in entries]
            entries = [entry for entry in entries if entry.name.startswith(f'{self.official}_')]
        else:
            image_dir = folders
            entries = read_folders(self, folders, self.official, RAFDB_LABELS)
            if self.image_dir != _CROPS:
                image_dir = self._require_images_of(root, photographs=False)
                entries = [e._replace(path=self._image(image_dir, e.name)) for e in entries]
        entries = self.hold_out(entries, attrgetter('name'), attrgetter('label'))
        return [
            dict(img_path=str(entry.path), gt_label=entry.label)
            for entry in self._skip(entries, image_dir)
        ]

    def _image(self, image_dir: Path, name: str) -> Path:
        return image_dir / self.image_name.format(stem=Path(name).stem)

    def _require_images_of(self, basic: Path, photographs: bool = True) -> Path:
        image_dir = basic / self.image_dir
        if image_dir.is_dir() or self.image_dir == _CROPS or not basic.is_dir():
            return self.require_folder(image_dir)
        make = (
            f"Make it of the dataset's photographs,\n  {_ALIGN} {basic / 'Image/original'} "
            f"{image_dir} {_AS_THE_RELEASE}\nor unpack what APViT's authors give out "
            '(docs/face_recipes.md)'
            if photographs
            else "Folders of labels hold the dataset's own crops, not the photographs that it is "
            'made of'
        )
        raise self.missing(
            f"the folder '{image_dir}' does not exist. {make}. The dataset's own "
            f"crops are read by configs called rafdb-crops, or image_dir='{_CROPS}' and "
            f"image_name='{_CROP_NAME}'; results on them are not those of aligned faces"
        )

    def _skip(self, entries: list[FolderImage], image_dir: Path) -> list[FolderImage]:
        path = image_dir / (self.skip_list or ALIGNMENT_REPORT)
        if not self.skip_list and not path.is_file():
            return entries
        # Crops of the dataset's own crops are called like those.
        skipped = {
            stem.removesuffix('_aligned') for stem in read_skip_list(self.require_file(path))
        }
        skipped = {entry for entry in entries if Path(entry.name).stem in skipped}
        if not self.skip_list:
            # Who has put a missing face there by other means wants it to be read.
            skipped = {entry for entry in skipped if not entry.path.is_file()}
        kept = [entry for entry in entries if entry not in skipped]
        self.num_skipped = len(entries) - len(kept)
        if self.num_skipped or self.skip_list:
            what = ': results are not those of the whole list' if self.num_skipped else ''
            self.log(
                f"{self.num_skipped} of {len(entries)} images are skipped, as '{path}' has no face "
                f'of them{what}',
                logging.WARNING,
            )
        return kept


def _read_line(line: str) -> tuple[str, str]:
    """Name of the image and of the class."""
    fields = line.split()
    if len(fields) != 2 or not fields[0].startswith(('train_', 'test_')):
        raise ValueError('not like "train_00001.jpg 5" or "test_0001.jpg 5"')
    name, label = fields
    return name, class_name(label, RAFDB_LABELS)
