# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from collections.abc import Sequence
from pathlib import Path

from mmfer.registry import DATASETS

from .face_dataset import FaceDataset
from .holdout import check_holdout, stratified_holdout

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
class RAFDB(FaceDataset):
    """The basic-emotion part of RAF-DB (Li, Deng and Du, CVPR 2017), as its authors ship it.

    12,271 training and 3,068 test images, 100x100, aligned, seven classes. Labels are numbered in
    mmfer's order (:data:`mmfer.datasets.EXPRESSIONS`), not in that of the files.

    The published protocol trains on the whole training list and reports the test list, on which
    most papers also choose the best epoch. ``val_ratio`` takes a validation part out of the
    *training* list instead: the same share of each class and the same images on every machine.

    ============  =================================  =====================
    split         ``val_ratio=0``                    ``val_ratio=.1``
    ============  =================================  =====================
    ``train``     training list                      90 % of it
    ``val``       an error                           the other 10 %
    ``trainval``  training list                      training list
    ``test``      test list                          test list
    ============  =================================  =====================

    Args:
        data_root: Folder with ``basic/`` in it, or ``basic`` itself.
        split: ``'train'``, ``'val'``, ``'trainval'`` or ``'test'``. Default ``'train'``.
        val_ratio: Share of the training list to hold out, in [0, 1). Default 0.
        image_dir: Folder of the images, relative to ``basic``; for one's own alignment, say at
            224x224. Default ``'Image/aligned'``.
        image_name: How an image is called, given the ``{stem}`` of its name in the list. Default
            ``'{stem}_aligned.jpg'``.
        test_mode: Whether an unreadable image is an error at once. Default: for ``'val'`` and
            ``'test'``.
        **kwargs: Further arguments of :class:`FaceDataset`: ``pipeline``, ``max_bad_images``, …

    Raises:
        FileNotFoundError: A folder, the list or an image is missing.
        ValueError: An argument is wrong, or a line of the list is; the message names the line.
    """

    LAYOUT = (
        '  basic/EmoLabel/list_patition_label.txt      (lines such as "train_00001.jpg 5")\n'
        '  basic/Image/aligned/train_00001_aligned.jpg …\n'
        '  basic/Image/aligned/test_0001_aligned.jpg …'
    )

    def __init__(
        self,
        data_root: str,
        split: str = 'train',
        val_ratio: float = 0.0,
        image_dir: str = 'Image/aligned',
        image_name: str = '{stem}_aligned.jpg',
        test_mode: bool | None = None,
        **kwargs,
    ):
        check_holdout('RAFDB', split, val_ratio)
        self.split = split
        self.val_ratio = val_ratio
        self.image_dir = image_dir
        self.image_name = image_name
        if test_mode is None:
            test_mode = split in ('val', 'test')
        super().__init__(data_root=data_root, test_mode=test_mode, **kwargs)

    def load_annotations(self) -> list[dict]:
        root = self.require_folder(Path(self.data_root))
        basic = root if (root / 'EmoLabel').is_dir() else root / 'basic'
        image_dir = self.require_folder(basic / self.image_dir)
        entries = self._read_list(self.require_file(basic / 'EmoLabel/list_patition_label.txt'))
        return [
            dict(
                img_path=str(image_dir / self.image_name.format(stem=Path(name).stem)),
                gt_label=label,
            )
            for name, label in self._select(entries)
        ]

    def _read_list(self, path: Path) -> list[tuple[str, int]]:
        """Read (name, class index) of every line, both partitions."""
        class_indices = {name: index for index, name in enumerate(self.metainfo['classes'])}
        entries = []
        for number, line in enumerate(path.read_text().splitlines(), start=1):
            if not line.strip():
                continue
            where = f'{path}, line {number}: {line!r}'
            fields = line.split()
            if len(fields) != 2 or not fields[0].startswith(('train_', 'test_')):
                raise ValueError(f'{where} is not like "train_00001.jpg 5" or "test_0001.jpg 5"')
            name, label = fields
            expression = RAFDB_LABELS.get(int(label)) if label.isdecimal() else None
            if expression not in class_indices:
                raise ValueError(
                    f'{where} has label {label!r}; RAF-DB knows {RAFDB_LABELS} and this dataset '
                    f'is set to the classes {tuple(class_indices)}'
                )
            entries.append((name, class_indices[expression]))
        return entries

    def _select(self, entries: list[tuple[str, int]]) -> Sequence[tuple[str, int]]:
        """Keep the entries of the split."""
        partition = 'test_' if self.split == 'test' else 'train_'
        entries = [entry for entry in entries if entry[0].startswith(partition)]
        if not entries or self.val_ratio == 0 or self.split in ('trainval', 'test'):
            return entries
        held_out = stratified_holdout(*zip(*entries, strict=True), self.val_ratio)
        wanted = self.split == 'val'
        return [entry for entry, held in zip(entries, held_out, strict=True) if held == wanted]

    def extra_repr(self) -> list[str]:
        return [*super().extra_repr(), f'Split: \t{self.split}, val_ratio={self.val_ratio}']
