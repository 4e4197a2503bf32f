# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import logging
import os
from collections import Counter
from collections.abc import Iterable

from .face_dataset import FaceDataset
from .found_faces import SKIPPED, read_found_faces
from .splits import read_split_file, split_by_name


class NamedSplitDataset(FaceDataset):
    """A dataset without an official split: a rule on the image names, or a file, defines it.

    Args:
        data_root (str): Folder of the dataset, see the subclass.
        split (str): ``'train'``, ``'val'``, ``'trainval'`` or ``'test'``. Defaults to ``'train'``.
        split_file (str, optional): A custom split: a text file with a line ``name,split`` per image
            (:func:`~mmfer.datasets.splits.read_split_file`). Images that are not in the file are
            skipped and counted in the log; a name without an image is an error. Defaults to None,
            the rule of the subclass.
        boxes (str, optional): Report of ``align_faces.py`` on ``data_root``. Its boxes become the
            ``face_box`` of the samples (:mod:`.found_faces`), so that ``CropFace`` crops around the
            face instead of cropping a fixed share of the image. Images without a face are skipped
            and counted in the log. This happens after the split, so all others stay in their split.
            Defaults to None, all images without boxes.
        **kwargs: Further arguments of :class:`FaceDataset`: ``pipeline``, ``test_mode``, …
    """

    SHOWN = (*FaceDataset.SHOWN, 'split_file', 'boxes')

    def __init__(
        self,
        data_root: str,
        split: str = 'train',
        split_file: str | None = None,
        boxes: str | None = None,
        **kwargs,
    ):
        self.split_file = split_file
        self.boxes = os.path.expanduser(boxes) if boxes else None
        super().__init__(data_root, split, **kwargs)

    # For subclasses to implement -------------------------------------------------------------

    def load_all(self) -> list[dict]:
        """Read the samples of all splits, as ``load_annotations`` of :class:`FaceDataset` does."""
        raise NotImplementedError

    def split_key(self, name: str) -> str:
        """Return the key of an image in splits: the same for its path and for its name in a file.

        Raises:
            ValueError: The name cannot belong to this dataset. The message shows the expected form.
        """
        raise NotImplementedError

    def parts_by_rule(self, keys: list[str]) -> dict[str, str]:
        """Return the split of each image, used if there is no ``split_file``."""
        return {key: split_by_name(key) for key in keys}

    # Public methods --------------------------------------------------------------------------

    def split_keys(self) -> list[str]:
        """Return the key of each sample in a split file, in the order of the samples."""
        return self._keys_of(self.get_data_info(index) for index in range(len(self)))

    # Implementation -------------------------------------------------------------------------

    def load_annotations(self) -> list[dict]:
        samples = self.load_all()
        keys = self._keys_of(samples)
        parts = self._parts_of_file(keys) if self.split_file else self.parts_by_rule(keys)
        samples = [
            sample
            for sample, key in zip(samples, keys, strict=True)
            if parts.get(key) in self.parts
        ]
        return self._with_boxes(samples) if self.boxes else samples

    def _keys_of(self, samples: Iterable[dict]) -> list[str]:
        return [self.split_key(os.path.relpath(s['img_path'], self.data_root)) for s in samples]

    def _parts_of_file(self, keys: list[str]) -> dict[str, str]:
        parts = read_split_file(self.split_file, self.split_key)
        absent = sorted(set(parts).difference(keys))
        if absent:
            raise self.missing(
                f"{len(absent)} of the {len(parts)} images that '{self.split_file}' (split_file) "
                f'names are missing, the first is {absent[0]!r}'
            )
        unnamed = [key for key in keys if key not in parts]
        if unnamed:
            self.log(
                f"'{self.split_file}' names {len(parts)} of {len(keys)} images; the other "
                f'{len(unnamed)} are skipped, the first is {unnamed[0]!r}',
                logging.WARNING,
            )
        return parts

    def _with_boxes(self, samples: list[dict]) -> list[dict]:
        """Add the detected boxes to the samples; skip images without a face."""
        name = type(self).__name__
        if any('face_box' in sample for sample in samples):
            raise ValueError(
                f'{name} has boxes of its own; boxes={self.boxes!r} is for other datasets'
            )
        if not os.path.isfile(self.boxes):
            raise FileNotFoundError(
                f"{name}: '{self.boxes}' (boxes, that is '{os.path.abspath(self.boxes)}') is not "
                'a file. Set boxes to the alignment.csv that align_faces.py writes'
            )
        faces = read_found_faces(self.boxes)
        paths = [os.path.relpath(sample['img_path'], self.data_root) for sample in samples]
        paths = [path.replace(os.sep, '/') for path in paths]
        unknown = [path for path in paths if path not in faces]
        if unknown:
            raise ValueError(
                f"{name}: '{self.boxes}' (boxes) has no entry for {len(unknown)} of {len(paths)} "
                f"images in '{self.data_root}', the first is {unknown[0]!r}; it has paths such as "
                f'{next(iter(faces), None)!r}. Run align_faces.py on exactly this folder'
            )
        kept, skipped = [], Counter()
        for sample, path in zip(samples, paths, strict=True):
            decision, box = faces[path]
            if decision in SKIPPED:
                skipped[decision] += 1
            elif box is None:
                kept.append(sample)
            else:
                # The detector ran on the image as it is read here, after rotation by its EXIF
                # orientation.
                kept.append(dict(sample, face_box=box, pixels_as_read=True))
        if skipped:
            counts = ', '.join(f'{count} {what}' for what, count in sorted(skipped.items()))
            self.log(
                f"{skipped.total()} of {len(samples)} images are skipped, '{self.boxes}' lists "
                f'them without a face ({counts}); results are not for the whole dataset',
                logging.WARNING,
            )
        return kept
