# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import numpy as np

from mmfer.categories import EXPRESSIONS_8
from mmfer.registry import DATASETS

from .class_numbers import class_numbers
from .face_dataset import FaceDataset
from .ferplus_files import (
    FERPLUS_FOLDERS,
    PIXELS_FILE,
    VOTES_FILE,
    VotedImage,
    locate_pixels,
    read_votes,
)
from .ferplus_votes import (
    FERPLUS_EMOTIONS,
    majority_label,
    plurality_label,
    plurality_of_ten_label,
    soft_label,
)

#: Allowed values of ``mode`` and their rules.
FERPLUS_MODES = {
    'plurality': plurality_label,
    'plurality-of-ten': plurality_of_ten_label,
    'majority': majority_label,
    'soft': soft_label,
}

_EMOTIONS = tuple(FERPLUS_EMOTIONS.values())
# Folder of the images that the official script writes.
_IMAGES = 'images'
_PARTS = {'Training': 'train', 'PublicTest': 'val', 'PrivateTest': 'test'}


@DATASETS.register_module()
class FERPlus(FaceDataset):
    """FER+: ten people's votes on each image of FER2013 (Barsoum et al., ICMI 2016).

    FER2013 has 28,709 images for training, 3,589 for validation (``PublicTest``) and 3,589 for
    testing (``PrivateTest``), gray, 48x48. FER+ has eight expressions: the seven of all datasets,
    with the same numbers, and Contempt (:data:`mmfer.datasets.EXPRESSIONS_8`).

    ``mode`` selects how votes become labels; :mod:`.ferplus_votes` has the rules:

    ======================  ====================================================================
    ``'plurality'``         the label with the most votes of the eight; in a tie, the first column
                            in the table
    ``'plurality-of-ten'``  the same, but images with more votes for unknown or no face than for
                            any expression are skipped
    ``'majority'``          the label with more than half of the votes; images without one are
                            skipped
    ``'soft'``              up to three expressions with their shares, ``gt_score``, (8,) float32,
                            which losses use instead of ``gt_label``, the first of the three
    ======================  ====================================================================

    All modes skip images without a face: those without a name in FER+, or with all ten votes for
    "no face". ``'plurality'`` keeps all others, which matches the counts in the APViT paper
    (section 4.1). The rules of the dataset's authors, the last two, also skip images that people
    disagree about, and give an easier dataset. The log states how many images are skipped. Report
    the mode with an accuracy: modes do not test on the same images, and ``'soft'`` is for training
    only.

    ============  =================================
    split         usage
    ============  =================================
    ``train``     ``Training``
    ``val``       ``PublicTest``
    ``trainval``  ``Training`` and ``PublicTest``
    ``test``      ``PrivateTest``
    ============  =================================

    Args:
        data_root (str): Folder with ``fer2013new.csv`` and ``fer2013.csv``.
        mode (str): ``'plurality'``, ``'plurality-of-ten'``, ``'majority'`` or ``'soft'``. Defaults
            to ``'plurality'``.
        image_dir (str, optional): Folder, relative to ``data_root``, of images to read instead of
            the pixels in ``fer2013.csv``, such as aligned ones. Its subfolders are those of
            :data:`.FERPLUS_FOLDERS`, with the file names in ``fer2013new.csv``. Defaults to the
            pixels, or to ``images`` if ``fer2013.csv`` is missing and that folder exists.
        image_name (str): Name of an image file there, given the ``{stem}`` of its name in the
            table. Defaults to ``'{stem}.png'``.
        **kwargs: Arguments of :class:`FaceDataset`. Shares of expressions that are not in
            ``classes`` are dropped, and the rest is normalized to a sum of 1.
    """

    METAINFO = dict(dataset_name='FERPlus', task='expression', classes=EXPRESSIONS_8)

    LAYOUT = (
        f'  {VOTES_FILE}    (FER+: "Usage,Image name,neutral,happiness,…,unknown,NF")\n'
        f'  {PIXELS_FILE}       (FER2013: "emotion,pixels,Usage")\n'
        f'or instead of {PIXELS_FILE}, with image_dir for a folder of another name\n'
        '  images/FER2013Train/fer0000000.png …, FER2013Valid/, FER2013Test/\n'
        '  (tools/dataset_converters/fer2013_to_images.py makes them)'
    )

    SHOWN = (*FaceDataset.SHOWN, 'mode')

    def __init__(
        self,
        data_root: str,
        *args,
        mode: str = 'plurality',
        image_dir: str | None = None,
        image_name: str = '{stem}.png',
        **kwargs,
    ):
        self.mode = self.require_one_of('mode', mode, tuple(FERPLUS_MODES))
        self.image_dir = image_dir
        self.image_name = image_name
        super().__init__(data_root, *args, **kwargs)

    def load_annotations(self) -> list[dict]:
        root = self.require_folder(Path(self.data_root))
        if self.image_dir is None and not (root / PIXELS_FILE).exists():
            self.image_dir = _IMAGES if (root / _IMAGES).is_dir() else None
        classes = class_numbers('FERPlus', self._metainfo['classes'], _EMOTIONS)
        columns = [_EMOTIONS.index(name) for name in classes]
        rows = read_votes(self.require_file(root / VOTES_FILE))
        samples, undecided = [], 0
        for row, path in zip(rows, self._paths(root, rows), strict=True):
            if _PARTS[row.usage] not in self.parts:
                continue
            shares = FERPLUS_MODES[self.mode](row.votes) if row.shows_face else None
            if shares is None:
                undecided += 1
                continue
            sample = dict(img_path=path, gt_label=_EMOTIONS[shares.argmax()])
            if self.mode == 'soft' and shares.argmax() in columns:
                score = shares[columns]
                sample['gt_score'] = (score / score.sum()).astype(np.float32)
            samples.append(sample)
        self.log(f'{undecided} images are skipped, they have no label with mode={self.mode!r}')
        return samples

    def _paths(self, root: Path, rows: list[VotedImage]) -> list[str]:
        """Return the path of each row's image."""
        if self.image_dir is None:
            return locate_pixels(self.require_file(root / PIXELS_FILE), rows)
        folder = self.require_folder(root / self.image_dir)
        names = (self.image_name.format(stem=Path(row.name).stem) for row in rows)
        return [
            str(folder / FERPLUS_FOLDERS[row.usage] / name)
            for row, name in zip(rows, names, strict=True)
        ]

    def _require_images(self, paths: list[str]) -> None:
        # Rows of fer2013.csv are known to exist.
        if self.image_dir is not None:
            super()._require_images(paths)
