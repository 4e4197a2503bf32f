# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Align the faces of many pictures, into files beside a report of every decision.

A crop that is there is whole: files are written atomically. Each finished picture is noted in a
journal, so an interrupted run goes on where it stopped, and a picture that has changed meanwhile is
done again.
"""

import csv
import io
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
from torch.utils.data import DataLoader

from mmfer.datasets.transforms import LoadFaceImage, UnreadableImageError
from mmfer.faces import DETECTORS, POINT_NAMES, Alignment, FaceAligner, FaceChoice
from mmfer.utils.atomic_file import atomic_write, atomic_write_text, remove_parts
from mmfer.utils.files_below import IMAGE_SUFFIXES, files_below

from .convert_crops import IMAGE_FORMATS
from .journal import Journal, fingerprint

REPORT = 'alignment.csv'
UNREADABLE = 'unreadable'

_COLUMNS = (
    *('path', 'decision', 'reason', 'faces', 'x1', 'y1', 'x2', 'y2', 'score'),
    *(f'{name}_{axis}' for name in POINT_NAMES for axis in 'xy'),
    *('residual', 'output'),
)


@dataclass(frozen=True)
class AlignJob:
    """One picture.

    Attributes:
        name: Path relative to the root folder, with forward slashes.
        source: Path of the file.
        target: Path of the crop, relative to the target folder, with forward slashes.
        fingerprint: Changes with the picture.
    """

    name: str
    source: str
    target: str
    fingerprint: str


@dataclass
class AlignReport:
    """What came of a run.

    Attributes:
        counts: Pictures of each decision.
        reused: How many of them an earlier run had done.
        failed: (path, reason) of each picture without a crop.
    """

    counts: Counter
    reused: int
    failed: list[tuple[str, str]]


def list_pictures(folder: str | Path, out: str | Path) -> list[str]:
    """Pictures under a folder, sorted; hidden files and folders are left out.

    Raises:
        FileNotFoundError: There is no such folder.
        ValueError: There are no pictures in it, or ``out`` is in it, whose crops would be taken for
            pictures the next time.
    """
    folder, out = Path(folder), Path(out)
    if out.resolve().is_relative_to(folder.resolve()):
        raise ValueError(
            f"crops would go to '{out}', inside the pictures' folder '{folder}', and be taken for "
            'pictures the next time; name a folder beside it'
        )
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder '{folder}'")
    paths = (path.relative_to(folder) for path in files_below(folder))
    names = sorted(
        path.as_posix()
        for path in paths
        if path.suffix.lower() in IMAGE_SUFFIXES and not any(part[0] == '.' for part in path.parts)
    )
    if not names:
        raise ValueError(f"'{folder}' holds no pictures ({', '.join(IMAGE_SUFFIXES)})")
    return names


def read_list(path: str | Path) -> list[str]:
    """Paths of pictures from a text file, one a line; blank lines and repetitions are left out.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It names none, or one that is not inside the root folder.
    """
    # Names of files need not be text; Windows marks text as such.
    lines = Path(path).read_text('utf-8-sig', 'surrogateescape').splitlines()
    names = list(dict.fromkeys(Path(line.strip()).as_posix() for line in lines if line.strip()))
    if not names:
        raise ValueError(f"'{path}' names no pictures; it is to have one path a line")
    for name in names:
        if Path(name).is_absolute() or '..' in Path(name).parts:
            raise ValueError(
                f"'{path}' names {name!r}; paths are to be relative to the root folder and inside "
                'of it, crops have the same in the target folder'
            )
    return names


def plan_alignment(
    names: Iterable[str], root: str | Path, out: str | Path, image_format: str = 'jpg'
) -> list[AlignJob]:
    """Say which picture goes where: to the same place in ``out``, with another suffix.

    Raises:
        ValueError: Two pictures would go to the same place, or ``out`` is ``root``, where crops
            would replace pictures.
    """
    root, out = Path(root), Path(out)
    if out.resolve() == root.resolve():
        raise ValueError(f"crops in '{out}' would replace the pictures there; name another folder")
    sources = {}
    for name in names:
        target = Path(name).with_suffix(f'.{image_format}').as_posix()
        if target in sources:
            raise ValueError(
                f"'{sources[target]}' and '{name}' would both become '{target}'; rename one of them"
            )
        sources[target] = name
    return [
        AlignJob(name, str(root / name), target, fingerprint(root / name))
        for target, name in sources.items()
    ]


def align_faces(
    jobs: list[AlignJob],
    out: str | Path,
    detector: dict,
    choice: FaceChoice | None = None,
    image_format: str = 'jpg',
    workers: int = 0,
    track: Callable[[Iterator, int], Iterable] = lambda results, total: results,
    **aligner,
) -> AlignReport:
    """Align all pictures that are not done yet, and write the report.

    Args:
        jobs: From :func:`plan_alignment`.
        out: Target folder; may hold a part, or all, of the same run.
        detector: ``type``, a key of :data:`mmfer.faces.DETECTORS`, and the arguments of it.
        choice: Which face of a picture counts. Default: the rules of :class:`.FaceChoice`.
        image_format: A key of :data:`IMAGE_FORMATS`. Default ``'jpg'``.
        workers: Processes; 0 does it in this one. The files are the same. Default 0.
        track: Wraps the iterator of results, given their number, to show progress. Called where
            there is something to do.
        **aligner: Further arguments of :class:`.FaceAligner`: ``size``, ``no_face``, ``border``,
            ``fill``.

    Returns:
        What was done. :data:`REPORT` in ``out`` says it picture by picture, in the jobs' order.

    Raises:
        SettingsError: ``out`` holds crops of other settings.
        ValueError, FileNotFoundError, ImportError: From the detector or for a wrong argument.
        OSError: A file could not be written.
    """
    out = Path(out)
    writer = _AlignmentWriter([], out, detector, choice or FaceChoice(), image_format, aligner)
    journal = Journal(out, writer.settings())
    done = {job.target: _find(journal, job, out) for job in jobs}
    todo = [job for job in jobs if done[job.target] is None]
    for folder in {(out / job.target).parent for job in todo}:
        remove_parts(folder)

    results = ()
    if todo:
        # What it says holds no more until all is done; without it nobody uses half a set.
        (out / REPORT).unlink(missing_ok=True)
        writer.jobs = todo
        # Processes that start afresh: neither OpenCV's threads nor torch's survive a fork.
        # Without batches: an item is what the writer returns.
        loader = DataLoader(
            writer,
            None,
            num_workers=workers,
            collate_fn=_unchanged,
            multiprocessing_context='spawn' if workers else None,
        )
        results = track(iter(loader), len(todo))
    with journal:
        for job, row in zip(todo, results, strict=True):
            done[job.target] = row
            if row['decision'] != UNREADABLE:  # it may be repaired, or a disk be back
                journal.add(job.target, job.fingerprint, row)

    rows = [dict(done[job.target], path=job.name) for job in jobs]
    _write_report(out / REPORT, rows)
    return AlignReport(
        Counter(row['decision'] for row in rows),
        len(jobs) - len(todo),
        [(row['path'], row['reason']) for row in rows if not row.get('output')],
    )


class _AlignmentWriter:
    """A map-style dataset whose items are crops being written: a data loader then runs it.

    The loader keeps the order and hands on the workers' errors, and its workers end when the main
    process is killed. Networks do not travel to them; each builds its own.
    """

    def __init__(
        self,
        jobs: list[AlignJob],
        out: Path,
        detector: dict,
        choice: FaceChoice,
        image_format: str,
        aligner: dict,
    ):
        if image_format not in IMAGE_FORMATS:
            raise ValueError(
                f'image_format must be one of {tuple(IMAGE_FORMATS)}, not {image_format!r}'
            )
        if detector.get('type') not in DETECTORS:
            raise ValueError(
                f'a detector has a type, one of {tuple(DETECTORS)}: {detector!r} has not'
            )
        self.jobs, self.out, self.image_format = jobs, out, image_format
        self._arguments = (detector, choice, aligner)
        self._aligner = self._build()
        self._load = LoadFaceImage()

    def settings(self) -> dict:
        """All that decides what the crops look like."""
        aligner = self._aligner
        return dict(
            detector=aligner.detector.settings,
            choice=vars(aligner.choice),
            size=aligner.size,
            no_face=aligner.no_face,
            border=aligner.border,
            fill=aligner.fill,
            image_format=self.image_format,
        )

    def __len__(self) -> int:
        return len(self.jobs)

    def __getitem__(self, index: int) -> dict:
        """Align one picture, write the crop and return its row of the report."""
        job = self.jobs[index]
        target = self.out / job.target
        try:
            image = self._load(dict(img_path=job.source))['img']
        except UnreadableImageError as error:
            target.unlink(missing_ok=True)  # of an earlier state of the picture
            return dict(decision=UNREADABLE, reason=str(error))
        alignment = self._aligner(image)
        if alignment.image is None:
            target.unlink(missing_ok=True)
            return _to_row(alignment)
        _, encoded = cv2.imencode(
            f'.{self.image_format}', alignment.image, IMAGE_FORMATS[self.image_format]
        )
        atomic_write(target, encoded.tobytes())
        return dict(_to_row(alignment), output=job.target)

    def __getstate__(self) -> dict:
        return dict(vars(self), _aligner=None)

    def __setstate__(self, state: dict) -> None:
        vars(self).update(state)
        self._aligner = self._build()

    def _build(self) -> FaceAligner:
        detector, choice, aligner = self._arguments
        detector = dict(detector)
        return FaceAligner(DETECTORS[detector.pop('type')](**detector), choice, **aligner)


def _unchanged(item):
    return item


def _find(journal: Journal, job: AlignJob, out: Path) -> dict | None:
    row = journal.find(job.target, job.fingerprint)
    if row and row.get('output') and not (out / row['output']).is_file():
        return None
    return row


def _to_row(alignment: Alignment) -> dict:
    row = dict(decision=alignment.decision, reason=alignment.reason, faces=alignment.num_faces)
    if alignment.face is not None:
        box, score, points = alignment.face
        numbers = (*box.tolist(), score, *points.ravel().tolist())
        row.update(zip(_COLUMNS[4:-2], numbers, strict=True))
        row['residual'] = round(alignment.residual, 3)
    return row


def _write_report(path: Path, rows: list[dict]) -> None:
    content = io.StringIO()
    writer = csv.DictWriter(content, _COLUMNS, restval='', lineterminator='\n')
    writer.writeheader()
    writer.writerows(rows)
    atomic_write_text(path, content.getvalue())
