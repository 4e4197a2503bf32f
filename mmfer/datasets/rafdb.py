# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from operator import itemgetter
from pathlib import Path

from mmfer.registry import DATASETS

from .annotation_files import class_name, read_lines
from .holdout_dataset import HoldoutDataset

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


@DATASETS.register_module()
class RAFDB(HoldoutDataset):
    """The basic-emotion part of RAF-DB (Li, Deng and Du, CVPR 2017), as its authors ship it.

    12,271 training and 3,068 test images, 100x100, aligned, seven classes.

    Args:
        data_root: Folder with ``basic/`` in it, or ``basic`` itself.
        image_dir: Folder of the images, relative to ``basic``; for one's own alignment, say at
            224x224. Default ``'Image/aligned'``.
        image_name: How an image is called, given the ``{stem}`` of its name in the list. Default
            ``'{stem}_aligned.jpg'``.
        *args, **kwargs: Of :class:`HoldoutDataset`.
    """

    LAYOUT = (
        '  basic/EmoLabel/list_patition_label.txt      (lines such as "train_00001.jpg 5")\n'
        '  basic/Image/aligned/train_00001_aligned.jpg …\n'
        '  basic/Image/aligned/test_0001_aligned.jpg …'
    )

    def __init__(
        self,
        data_root: str,
        *args,
        image_dir: str = 'Image/aligned',
        image_name: str = '{stem}_aligned.jpg',
        **kwargs,
    ):
        self.image_dir = image_dir
        self.image_name = image_name
        super().__init__(data_root, *args, **kwargs)

    def load_annotations(self) -> list[dict]:
        root = self.require_folder(Path(self.data_root))
        basic = root if (root / 'EmoLabel').is_dir() else root / 'basic'
        image_dir = self.require_folder(basic / self.image_dir)
        path = self.require_file(basic / 'EmoLabel/list_patition_label.txt')
        # A line is about its first word and says the second.
        entries = read_lines(path, _read_line, statement=tuple)
        entries = [entry for entry in entries if entry[0].startswith(f'{self.official}_')]
        return [
            dict(
                img_path=str(image_dir / self.image_name.format(stem=Path(name).stem)),
                gt_label=label,
            )
            for name, label in self.hold_out(entries, itemgetter(0), itemgetter(1))
        ]


def _read_line(line: str) -> tuple[str, str]:
    """Name of the image and of the class."""
    fields = line.split()
    if len(fields) != 2 or not fields[0].startswith(('train_', 'test_')):
        raise ValueError('not like "train_00001.jpg 5" or "test_0001.jpg 5"')
    name, label = fields
    return name, class_name(label, RAFDB_LABELS)
