# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Crop the faces of a dataset once, to files that the dataset ``FaceCrops`` reads."""

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

#: Labels that a crop changes; all others are copied from the dataset.
_GEOMETRY = ('gt_landmarks', 'face_box')


@dataclass(frozen=True)
class CropJob(Job):
    """One face to crop. Its fingerprint also depends on all labels.

    Attributes:
        sample (dict): The sample of the dataset, with ``img_path``.
        split (str): ``'train'``, ``'val'`` or ``'test'``.
    """

    sample: dict
    split: str


def plan_crops(
    datasets: Mapping[str, BaseDataset], data_root: str | Path, image_format: str
) -> list[CropJob]:
    """List the faces to crop and their target files: ``images/<split>/<path of the image>``.

    An image with several faces gives several crops: ``a.jpg``, ``a.1.jpg``, ``a.2.jpg``, in the
    order of the dataset; names of other images are skipped.

    Raises:
        ValueError: An image is outside of ``data_root``, and so its crop would be outside too.
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
    """Crop all faces that have no crop yet; write the annotation file and the list of skipped ones.

    Landmarks and boxes in the annotation file are rounded to a thousandth of a pixel.

    Args:
        jobs (list[CropJob]): From :func:`plan_crops`.
        crop (dict): Config of the transform that crops, such as
            ``dict(type='CropFace', kind='tight')``.
        out (str | Path): Target folder. It may contain some or all results of the same run.
        metainfo (dict): Facts about the dataset for the annotation file; plain values.
        image_format (str): A key of :data:`.IMAGE_FORMATS`. Defaults to ``'jpg'``.
        workers (int): Number of worker processes. Defaults to 0, no other process.
        track (Track): See :meth:`.ImageWriter.run`.
        nameless (Sequence[tuple[str, str]]): (path, reason) of files in no split, for
            :data:`SKIPPED`. Defaults to none.

    Returns:
        The number of crops per split, as in :data:`ANNOTATIONS`, and the faces without a crop, as
        in :data:`SKIPPED`.

    Raises:
        SettingsError: ``out`` has crops of another dataset or with other settings.
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
        """Crop a face. The result has its landmarks and box, or the reason why there is no crop."""
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
    """Return all fields of a sample except its path, as plain values."""
    return {
        key: value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value
        for key, value in sample.items()
        if key != 'img_path'
    }


def _to_json_lines(metainfo: dict, records: list[dict]) -> str:
    """Return JSON with one sample per line, so that it can be compared and searched by lines."""
    lines = ',\n'.join(map(json.dumps, records))
    return f'{{"metainfo": {json.dumps(metainfo)},\n"data_list": [\n{lines}\n]}}\n'
