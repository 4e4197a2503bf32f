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

#: What ``mode`` may be, and the rule that it stands for.
FERPLUS_MODES = {
    'plurality': plurality_label,
    'plurality-of-ten': plurality_of_ten_label,
    'majority': majority_label,
    'soft': soft_label,
}

_EMOTIONS = tuple(FERPLUS_EMOTIONS.values())
# Where the official script's images are looked for.
_IMAGES = 'images'
_PARTS = {'Training': 'train', 'PublicTest': 'val', 'PrivateTest': 'test'}


@DATASETS.register_module()
class FERPlus(FaceDataset):
    """FER+: ten people's votes on each image of FER2013 (Barsoum et al., ICMI 2016).

    FER2013 has 28,709 images for training, 3,589 for validation (``PublicTest``) and 3,589 for
    testing (``PrivateTest``), gray, 48x48. FER+ tells eight expressions: the seven of all datasets,
    numbered alike, and Contempt (:data:`mmfer.datasets.EXPRESSIONS_8`).

    ``mode`` says what becomes of the votes; :mod:`.ferplus_votes` has the rules:

    ======================  ====================================================================
    ``'plurality'``         an image has the label with the most votes of the eight, of level ones
                            the first column in the table
    ``'plurality-of-ten'``  the same, but images that more people find unknown or without a face
                            than any expression in are left out
    ``'majority'``          it has the label that more than half of the votes are for, if there is
                            one
    ``'soft'``              it has up to three expressions with their shares, ``gt_score``, (8,)
                            float32, which losses take instead of ``gt_label``, the first of the
                            three
    ======================  ====================================================================

    No mode takes an image without a face: one that FER+ gives no name, or all ten votes of which
    are "no face". ``'plurality'`` takes all others, as the APViT paper counts them (section 4.1);
    the authors' own rules, the last two, also leave out what people disagree about, and are
    easier. The log says how many are left out. Name the mode with an accuracy: modes do not test on
    the same images, and ``'soft'`` is for training only.

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
        image_dir (str, optional): Folder, relative to ``data_root``, of images to take in place of
            the pixels in ``fer2013.csv``, such as aligned ones: in :data:`.FERPLUS_FOLDERS`, by the
            names in ``fer2013new.csv``. Defaults to the pixels, or ``images`` where there is no
            ``fer2013.csv`` but that folder.
        image_name (str): How an image there is called, given the ``{stem}`` of its name. Defaults
            to ``'{stem}.png'``.
        **kwargs: Of :class:`FaceDataset`. Shares of expressions that ``classes`` does not
            name are dropped, and what is left adds up to 1.
    """

    METAINFO = dict(dataset_name='FERPlus', task='expression', classes=EXPRESSIONS_8)

    LAYOUT = (
        f'  {VOTES_FILE}    (FER+: "Usage,Image name,neutral,happiness,…,unknown,NF")\n'
        f'  {PIXELS_FILE}       (FER2013: "emotion,pixels,Usage")\n'
        f'or in place of {PIXELS_FILE}, with image_dir if that is another folder\n'
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
        self.log(f'{undecided} images are skipped, mode={self.mode!r} gives them no label')
        return samples

    def _paths(self, root: Path, rows: list[VotedImage]) -> list[str]:
        """Where each row's image is."""
        if self.image_dir is None:
            return locate_pixels(self.require_file(root / PIXELS_FILE), rows)
        folder = self.require_folder(root / self.image_dir)
        names = (self.image_name.format(stem=Path(row.name).stem) for row in rows)
        return [
            str(folder / FERPLUS_FOLDERS[row.usage] / name)
            for row, name in zip(rows, names, strict=True)
        ]

    def _require_images(self, paths: list[str]) -> None:
        # Rows of fer2013.csv have been found already.
        if self.image_dir is not None:
            super()._require_images(paths)
