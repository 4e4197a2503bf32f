# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Cut the faces of a dataset out once, into files that ``FaceCrops`` reads."""

import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from mmengine.dataset import BaseDataset, Compose
from mmengine.registry import DefaultScope

from mmfer.datasets.transforms import UnreadableImageError
from mmfer.registry import TRANSFORMS
from mmfer.utils.atomic_file import atomic_write, atomic_write_csv
from mmfer.utils.inside import check_name
from mmfer.utils.unique_names import UniqueNames

from .image_writer import ImageWriter, Job, Outcome, Report, Track, no_progress
from .journal import fingerprint

ANNOTATIONS, SKIPPED = 'annotations.json', 'skipped.csv'

#: What a crop changes; all other labels are taken from the dataset as they are.
_GEOMETRY = ('gt_landmarks', 'face_box')


@dataclass(frozen=True)
class CropJob(Job):
    """One face to cut out. Its fingerprint changes with each label, too.

    Attributes:
        sample (dict): As the dataset gives it, with ``img_path``.
        split (str): ``'train'``, ``'val'`` or ``'test'``.
    """

    sample: dict
    split: str


def plan_crops(
    datasets: Mapping[str, BaseDataset], data_root: str | Path, image_format: str
) -> list[CropJob]:
    """List what to cut out, and where it goes: ``images/<split>/<path of the image>``.

    An image with several faces gives several crops: ``a.jpg``, ``a.1.jpg``, ``a.2.jpg``, in the
    order of the dataset; what another image has taken is left out.

    Raises:
        ValueError: An image lies outside of ``data_root``, and so would its crop.
    """
    jobs, new_name = [], UniqueNames('.', first=1)
    for split, dataset in datasets.items():
        for index in range(len(dataset)):
            sample = dataset.get_data_info(index)
            del sample['sample_idx']
            path = Path(sample['img_path'])
            name = os.path.relpath(path, data_root)
            check_name(name, f'{type(dataset).__name__}, {split},')
            stem = Path('images', split, name).with_suffix('').as_posix()
            target = new_name(stem, f'.{image_format}')
            jobs.append(CropJob(target, fingerprint(path, _labels(sample)), sample, split))
    return jobs


def convert_crops(
    jobs: list[CropJob],
    crop: dict,
    out: str | Path,
    metainfo: dict,
    image_format: str = 'jpg',
    workers: int = 0,
    track: Track = no_progress,
    nameless: Sequence[tuple[str, str]] = (),
) -> Report:
    """Cut out all faces that have no crop yet; write the annotation file and the skipped ones.

    Args:
        jobs (list[CropJob]): From :func:`plan_crops`.
        crop (dict): Config of the transform that crops, such as
            ``dict(type='CropFace', kind='tight')``.
        out (str | Path): Target folder; may hold a part, or all, of the same conversion.
        metainfo (dict): What the annotation file says of the dataset; plain values.
        image_format (str): A key of :data:`.IMAGE_FORMATS`. Defaults to ``'jpg'``.
        workers (int): Processes that cut out; 0 does it in this one. Defaults to 0.
        track (Track): See :meth:`.ImageWriter.run`.
        nameless (Sequence[tuple[str, str]]): (path, reason) of files that belong to no split, for
            :data:`SKIPPED`.

    Returns:
        Crops of each split, as in :data:`ANNOTATIONS`, and the faces without one, as in
        :data:`SKIPPED`. Landmarks and boxes are rounded to a thousandth of a pixel.

    Raises:
        SettingsError: ``out`` holds crops of another dataset or of other settings.
        OSError: A file could not be written.
    """
    writer = _CropWriter(out, image_format, crop, metainfo)
    results, reused = writer.run(jobs, ANNOTATIONS, workers, track)
    pairs = list(zip(jobs, results, strict=True))
    finished = [(job, result) for job, result in pairs if 'reason' not in result]
    failed = [
        (job.sample['img_path'], job.split, result['reason'])
        for job, result in pairs
        if 'reason' in result
    ]
    skipped = dict(Counter(split for _, split, _ in failed))
    records = [_to_record(job, geometry) for job, geometry in finished]
    content = _to_json_lines(dict(writer.settings(), skipped=skipped), records)
    atomic_write(writer.out / ANNOTATIONS, content.encode())
    rows = [*((path, '', reason) for path, reason in nameless), *failed]
    atomic_write_csv(writer.out / SKIPPED, [('img_path', 'split', 'reason'), *rows])
    return Report(Counter(job.split for job, _ in finished), reused, failed)


class _CropWriter(ImageWriter):
    def __init__(self, out: str | Path, image_format: str, crop: dict, metainfo: dict):
        super().__init__(out, image_format)
        self._settings = dict(metainfo, crop=crop, image_format=image_format)
        with DefaultScope.overwrite_default_scope('mmfer'):
            steps = (dict(type='LoadFaceImage'), crop)
            self._transforms = Compose([TRANSFORMS.build(cfg) for cfg in steps])

    def settings(self) -> dict:
        return self._settings

    def make(self, job: CropJob) -> Outcome:
        """The result: landmarks and box in the crop, or the reason why there is none."""
        try:
            results = self._transforms(dict(job.sample))
        except (UnreadableImageError, ValueError) as error:
            return Outcome(None, dict(reason=str(error)), final=False)
        geometry = {
            key: np.asarray(results[key], np.float64).round(3).tolist()
            for key in _GEOMETRY
            if key in job.sample
        }
        return Outcome(results['img'], geometry)


def _to_record(job: CropJob, geometry: dict) -> dict:
    labels = dict(_labels(job.sample), **geometry)
    return dict(img_path=job.target, split=job.split, **labels)


def _labels(sample: dict) -> dict:
    """All of a sample but its path, without numpy."""
    return {
        key: value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value
        for key, value in sample.items()
        if key != 'img_path'
    }


def _to_json_lines(metainfo: dict, records: list[dict]) -> str:
    """JSON with a sample a line, so that it can be read, compared and searched line by line."""
    lines = ',\n'.join(map(json.dumps, records))
    return f'{{"metainfo": {json.dumps(metainfo)},\n"data_list": [\n{lines}\n]}}\n'
