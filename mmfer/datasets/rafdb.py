# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import logging
from operator import attrgetter
from pathlib import Path

from mmfer.registry import DATASETS

from .annotation_files import class_name, read_lines
from .holdout_dataset import HoldoutDataset
from .rafdb_folders import FolderImage, find_folders, read_folders
from .skip_list import ALIGNMENT_REPORT, read_skip_list

#: Meaning of the numbers in RAF-DB's label file.
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

    12,271 training and 3,068 test images with one of seven classes: the aligned crops of 100x100 of
    the release or, with ``image_dir``, your own alignment of ``Image/original``.

    Two layouts are supported: the original release and, if its list is missing, the one on Kaggle,
    which has the crops in one folder per label (:mod:`.rafdb_folders`). Samples, labels and the
    split by ``val_ratio`` are the same.

    Args:
        data_root (str): Folder that contains ``basic/``, or ``basic`` itself; or the folder that
            contains ``DATASET/``, or ``DATASET`` itself.
        image_dir (str): Folder of the images, relative to ``basic`` (to ``data_root`` if labels are
            folders), such as ``'Image/aligned_224'``. Defaults to ``'Image/aligned'``, or the
            folders of the labels.
        image_name (str): Name of an image file, given the ``{stem}`` of its name in the list.
            Defaults to ``'{stem}_aligned.jpg'``.
        skip_list (str, optional): Images to skip because alignment found no face: a text file with
            one name per line, or the report of ``align_faces.py``, relative to ``image_dir``. The
            log and :attr:`num_skipped` have their number. They are skipped after ``val_ratio`` is
            applied, so that all others stay in their split. Any other missing image is an error.
            Defaults to ``alignment.csv``, if it exists, for images that have no file.
        **kwargs: Arguments of :class:`HoldoutDataset`.
    """

    LAYOUT = (
        '  basic/EmoLabel/list_patition_label.txt      (lines such as "train_00001.jpg 5")\n'
        '  basic/Image/aligned/train_00001_aligned.jpg …\n'
        '  basic/Image/aligned/test_0001_aligned.jpg …\n'
        "or, with image_dir='Image/aligned_224' and image_name='{stem}.jpg', your own alignment\n"
        '  basic/Image/aligned_224/train_00001.jpg …, test_0001.jpg …\n'
        '  basic/Image/aligned_224/alignment.csv, or skip_list=FILE, for images without a face\n'
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
        #: Number of skipped images of the split, in which alignment found no face.
        self.num_skipped = 0
        super().__init__(data_root, *args, **kwargs)

    def load_annotations(self) -> list[dict]:
        root = self.require_folder(Path(self.data_root))
        basic = root if (root / 'EmoLabel').is_dir() else root / 'basic'
        folders = None if (basic / _LIST).is_file() else find_folders(root, RAFDB_LABELS)
        if folders is None:
            image_dir = self._require_images_of(basic)
            # A line gives the label (second word) of an image (first word).
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
            f"Make it from the dataset's photographs,\n  {_ALIGN} {basic / 'Image/original'} "
            f"{image_dir} {_AS_THE_RELEASE}\nor unpack the faces that APViT's authors publish "
            '(docs/face_recipes.md)'
            if photographs
            else "Label folders have the dataset's own crops, not the photographs that they were "
            'cut from'
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
        # Crops made from the dataset's own crops keep their names.
        skipped = {
            stem.removesuffix('_aligned') for stem in read_skip_list(self.require_file(path))
        }
        skipped = {entry for entry in entries if Path(entry.name).stem in skipped}
        if not self.skip_list:
            # A file that was added by other means should be read.
            skipped = {entry for entry in skipped if not entry.path.is_file()}
        kept = [entry for entry in entries if entry not in skipped]
        self.num_skipped = len(entries) - len(kept)
        if self.num_skipped or self.skip_list:
            what = ': results are not for the whole list' if self.num_skipped else ''
            self.log(
                f"{self.num_skipped} of {len(entries)} images are skipped, '{path}' lists them "
                f'without a face{what}',
                logging.WARNING,
            )
        return kept


def _read_line(line: str) -> tuple[str, str]:
    """Return the names of the image and of the class."""
    fields = line.split()
    if len(fields) != 2 or not fields[0].startswith(('train_', 'test_')):
        raise ValueError('not like "train_00001.jpg 5" or "test_0001.jpg 5"')
    name, label = fields
    return name, class_name(label, RAFDB_LABELS)
