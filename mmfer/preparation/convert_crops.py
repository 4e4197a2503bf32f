# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Cut the faces of a dataset out once, into files that ``FaceCrops`` reads.

A crop that is there is whole: files are written atomically. What has been cut out is noted in a
journal, together with a fingerprint of what it was made of; so an interrupted conversion goes on
where it stopped, and a picture or label that has changed meanwhile is done again.
"""

import csv
import io
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from mmengine.dataset import BaseDataset, Compose
from mmengine.registry import DefaultScope
from torch.utils.data import DataLoader

from mmfer.datasets.transforms import UnreadableImageError
from mmfer.registry import TRANSFORMS
from mmfer.utils.atomic_file import atomic_write, atomic_write_text, remove_parts

from .journal import Journal, fingerprint

#: Encoder settings; the first is the default. Crops of one setting are the same bytes every time.
IMAGE_FORMATS = {'jpg': [cv2.IMWRITE_JPEG_QUALITY, 95], 'png': [cv2.IMWRITE_PNG_COMPRESSION, 3]}

ANNOTATIONS, SKIPPED = 'annotations.json', 'skipped.csv'

#: What a crop changes; all other labels are taken from the dataset as they are.
_GEOMETRY = ('gt_landmarks', 'face_box')


@dataclass(frozen=True)
class CropJob:
    """One face to cut out.

    Attributes:
        sample: As the dataset gives it, with ``img_path``.
        split: ``'train'``, ``'val'`` or ``'test'``.
        target: Path of the crop, relative to the target folder, with forward slashes.
        fingerprint: Changes with the picture's size or time of writing, and with each label.
    """

    sample: dict
    split: str
    target: str
    fingerprint: str


@dataclass
class CropReport:
    """What came of a conversion.

    Attributes:
        counts: Crops per split, as in the annotation file.
        reused: How many of them an earlier run had made.
        skipped: (path of the picture, split, reason) of each face that has no crop.
    """

    counts: Counter = field(default_factory=Counter)
    reused: int = 0
    skipped: list[tuple[str, str, str]] = field(default_factory=list)


def plan_crops(
    datasets: Mapping[str, BaseDataset], data_root: str | Path, image_format: str
) -> list[CropJob]:
    """List what to cut out, and where it goes: ``images/<split>/<path of the picture>``.

    A picture with several faces gives several crops: ``a.jpg``, ``a.1.jpg``, ``a.2.jpg``, in the
    order of the dataset; what another picture has taken is left out.
    """
    jobs, taken, counts = [], set(), Counter()
    for split, dataset in datasets.items():
        for index in range(len(dataset)):
            sample = dataset.get_data_info(index)
            del sample['sample_idx']
            path = Path(sample['img_path'])
            stem = (Path('images', split) / path.relative_to(data_root)).with_suffix('').as_posix()
            target = f'{stem}.{image_format}'
            while target in taken:
                counts[stem] += 1
                target = f'{stem}.{counts[stem]}.{image_format}'
            taken.add(target)
            jobs.append(CropJob(sample, split, target, fingerprint(path, _labels(sample))))
    return jobs


def convert_crops(
    jobs: list[CropJob],
    crop: dict,
    out: str | Path,
    metainfo: dict,
    image_format: str = 'jpg',
    workers: int = 0,
    track: Callable[[Iterator, int], Iterable] = lambda results, total: results,
) -> CropReport:
    """Cut out all faces that have no crop yet, and write the annotation file.

    Args:
        jobs: From :func:`plan_crops`.
        crop: Config of the transform that crops, such as ``dict(type='CropFace', kind='tight')``.
        out: Target folder; may hold a part, or all, of the same conversion.
        metainfo: What the annotation file says of the dataset; plain values.
        image_format: A key of :data:`IMAGE_FORMATS`. Default ``'jpg'``.
        workers: Processes that cut out; 0 does it in this one. Default 0.
        track: Wraps the iterator of results, given their number, to show progress. Called where
            there is something to do.

    Returns:
        What was done. Landmarks and boxes are rounded to a thousandth of a pixel.

    Raises:
        SettingsError: ``out`` holds crops of another dataset or of other settings.
        OSError: A file could not be written.
    """
    out = Path(out)
    with DefaultScope.overwrite_default_scope('mmfer'):
        transforms = Compose([TRANSFORMS.build(cfg) for cfg in (dict(type='LoadFaceImage'), crop)])
    settings = dict(metainfo, crop=crop, image_format=image_format)
    journal = Journal(out, settings)
    done = {job.target: _find(journal, job, out) for job in jobs}
    todo = [job for job in jobs if done[job.target] is None]
    for folder in {(out / job.target).parent for job in todo}:
        remove_parts(folder)

    report = CropReport(reused=len(jobs) - len(todo))
    results = ()
    if todo:
        # What it says holds no more until all is done; without it nobody reads half a set.
        (out / ANNOTATIONS).unlink(missing_ok=True)
        writer = _CropWriter(todo, transforms, out, image_format)
        # Without batches: an item is what the writer returns.
        loader = DataLoader(writer, None, num_workers=workers, collate_fn=_unchanged)
        results = track(iter(loader), len(todo))
    with journal:
        for job, (geometry, reason) in zip(todo, results, strict=True):
            if reason is None:
                journal.add(job.target, job.fingerprint, geometry)
                done[job.target] = geometry
            else:
                report.skipped.append((job.sample['img_path'], job.split, reason))

    finished = [job for job in jobs if done[job.target] is not None]
    report.counts.update(job.split for job in finished)
    skipped = dict(Counter(split for _, split, _ in report.skipped))
    metainfo = dict(settings, skipped=skipped)
    records = [_to_record(job, done[job.target]) for job in finished]
    atomic_write(out / ANNOTATIONS, _to_json_lines(metainfo, records).encode())
    return report


def write_skipped(path: str | Path, skipped: Iterable[tuple[str, str, str]]) -> None:
    """Write (picture, split, reason) as CSV, with a header even where nothing was skipped."""
    content = io.StringIO()
    writer = csv.writer(content, lineterminator='\n')
    writer.writerow(['img_path', 'split', 'reason'])
    writer.writerows(skipped)
    atomic_write_text(path, content.getvalue())


class _CropWriter:
    """A map-style dataset whose items are crops being written: a data loader then runs it.

    The loader keeps the order, hands on the workers' errors and, unlike those of
    ``multiprocessing.Pool``, its workers end when the main process is killed.
    """

    def __init__(self, jobs: list[CropJob], transforms: Compose, out: Path, image_format: str):
        self.jobs, self.transforms = jobs, transforms
        self.out, self.image_format = out, image_format

    def __len__(self) -> int:
        return len(self.jobs)

    def __getitem__(self, index: int) -> tuple[dict, str | None]:
        """Cut one face out and write it.

        Returns:
            Its landmarks and box in the crop, as far as it has them, and None; or nothing and the
            reason why there is no crop.
        """
        job = self.jobs[index]
        try:
            results = self.transforms(dict(job.sample))
        except (UnreadableImageError, ValueError) as error:
            return {}, str(error)
        _, encoded = cv2.imencode(
            f'.{self.image_format}', results['img'], IMAGE_FORMATS[self.image_format]
        )
        atomic_write(self.out / job.target, encoded.tobytes())
        return {
            key: np.asarray(results[key], np.float64).round(3).tolist()
            for key in _GEOMETRY
            if key in job.sample
        }, None


def _unchanged(item):
    return item


def _find(journal: Journal, job: CropJob, out: Path) -> dict | None:
    """Landmarks and box of a crop that an earlier run has made and that is still there."""
    return journal.find(job.target, job.fingerprint) if (out / job.target).is_file() else None


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
