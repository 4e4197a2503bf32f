# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Detect, align and crop the faces of many images, and write a report of every decision."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from mmfer.datasets.transforms import LoadFaceImage, UnreadableImageError
from mmfer.faces import (
    ALIGNED,
    DETECTORS,
    POINT_NAMES,
    REFUSED,
    Alignment,
    FaceAligner,
    FaceChoice,
)
from mmfer.utils.atomic_file import atomic_write_csv
from mmfer.utils.files_below import IMAGE, media_below, warn_skipped
from mmfer.utils.image_header import FORMATS
from mmfer.utils.inside import check_name
from mmfer.utils.text_file import read_text
from mmfer.utils.unique_names import UniqueNames

from .image_writer import ImageWriter, Job, Outcome, Report, Track, no_progress
from .journal import fingerprint

REPORT = 'alignment.csv'
UNREADABLE = 'unreadable'

_COLUMNS = (
    *('path', 'decision', 'reason', 'faces', 'x1', 'y1', 'x2', 'y2', 'score'),
    *(f'{name}_{axis}' for name in POINT_NAMES for axis in 'xy'),
    *('residual', 'output'),
)


@dataclass(frozen=True)
class AlignJob(Job):
    """One image to align.

    Attributes:
        name (str): Path relative to the root folder, with forward slashes.
        source (str): Path of the file.
    """

    name: str
    source: str


def list_images(folder: str | Path, out: str | Path) -> list[str]:
    """List the images in a folder and its subfolders, sorted. Images are detected by their content.

    Junk is skipped, and the log lists the other files that are not images.

    Raises:
        FileNotFoundError: There is no such folder.
        ValueError: It has no images, or ``out`` is inside it, so that the next run would find the
            crops as images.
    """
    folder, out = Path(folder), Path(out)
    if out.resolve().is_relative_to(folder.resolve()):
        raise ValueError(
            f"crops would be written to '{out}', inside the image folder '{folder}', and be found "
            'as images the next time; use a folder outside of it'
        )
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder '{folder}'")
    paths, skipped = media_below(folder, [IMAGE])
    warn_skipped(folder, skipped, [IMAGE])
    names = sorted(path.relative_to(folder).as_posix() for path in paths)
    if not names:
        raise ValueError(f"'{folder}' has no images ({', '.join(FORMATS)})")
    return names


def read_list(path: str | Path) -> list[str]:
    """Read paths of images from a text file, one per line; blank lines and duplicates are skipped.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: There are no paths, or a path leads outside of the root folder.
    """
    lines = read_text(path, 'surrogateescape').split('\n')  # file names need not be valid text
    names = list(dict.fromkeys(Path(line.strip()).as_posix() for line in lines if line.strip()))
    if not names:
        raise ValueError(f"'{path}' names no images; it must have one path per line")
    for number, line in enumerate(lines, start=1):
        if line.strip():
            check_name(line.strip(), f"'{path}', line {number},")
    return names


def plan_alignment(
    names: Iterable[str], root: str | Path, out: str | Path, image_format: str = 'jpg'
) -> list[AlignJob]:
    """List the jobs: each crop has the same relative path in ``out``, with another extension.

    If two would have the same name (``a.jpg`` and ``a.png``), the second becomes ``a_2.jpg``;
    :data:`REPORT` lists which is which.

    Raises:
        ValueError: ``out`` is ``root``, so that crops would replace images.
    """
    root, out = Path(root), Path(out)
    if out.resolve() == root.resolve():
        raise ValueError(f"crops in '{out}' would replace the images there; use another folder")
    new_name = UniqueNames()
    return [
        AlignJob(
            new_name(Path(name).with_suffix('').as_posix(), f'.{image_format}'),
            fingerprint(root / name),
            name,
            str(root / name),
        )
        for name in names
    ]


def align_faces(
    jobs: list[AlignJob],
    out: str | Path,
    detector: dict,
    choice: FaceChoice | None = None,
    image_format: str = 'jpg',
    workers: int = 0,
    track: Track = no_progress,
    **aligner,
) -> Report:
    """Align or crop all images that are not done yet, and write the report.

    Args:
        jobs (list[AlignJob]): From :func:`plan_alignment`.
        out (str | Path): Target folder. It may contain some or all results of the same run.
        detector (dict): ``type``, a key of :data:`mmfer.faces.DETECTORS`, and its arguments.
        choice (FaceChoice, optional): Which face of an image is used. Defaults to None: the
            defaults of :class:`.FaceChoice`.
        image_format (str): A key of :data:`.IMAGE_FORMATS`. Defaults to ``'jpg'``.
        workers (int): Number of worker processes; the files do not depend on it. Defaults to 0, no
            other process.
        track (Track): See :meth:`.ImageWriter.run`.
        **aligner: Other arguments of :class:`.FaceAligner`: ``size``, ``kind``, ``no_face``,
            ``border``, ``fill``.

    Returns:
        The number of images per decision, and the images that were refused or could not be read.
        :data:`REPORT` in ``out`` lists all images, in the order of the jobs.

    Raises:
        SettingsError: ``out`` has crops with other settings.
        ValueError, FileNotFoundError, ImportError: From the detector or for a wrong argument.
        OSError: A file could not be written.
    """
    writer = _AlignmentWriter(out, image_format, detector, choice or FaceChoice(), aligner)
    results, reused = writer.run(jobs, REPORT, workers, track)
    rows = [dict(row, path=job.name) for job, row in zip(jobs, results, strict=True)]
    table = [[row.get(column) for column in _COLUMNS] for row in rows]
    atomic_write_csv(writer.out / REPORT, [_COLUMNS, *table])
    return Report(
        Counter(sorted(row['decision'] for row in rows)),
        reused,
        [(row['path'], row['reason']) for row in rows if row['decision'] in (REFUSED, UNREADABLE)],
    )


class _AlignmentWriter(ImageWriter):
    """Writes aligned faces. Models are not sent to the workers; each worker builds its own."""

    # The threads of OpenCV and of torch do not survive a fork.
    start_method = 'spawn'

    def __init__(
        self,
        out: str | Path,
        image_format: str,
        detector: dict,
        choice: FaceChoice,
        aligner: dict,
    ):
        super().__init__(out, image_format)
        if detector.get('type') not in DETECTORS:
            raise ValueError(
                f'the type of a detector must be one of {tuple(DETECTORS)}, got {detector!r}'
            )
        self._arguments = (detector, choice, aligner)
        self._load = LoadFaceImage()

    def settings(self) -> dict:
        aligner = self._aligner
        settings = dict(
            detector=aligner.detector.settings,
            choice=vars(aligner.choice),
            size=aligner.size,
            no_face=aligner.no_face,
            border=aligner.border,
            fill=aligner.fill,
            image_format=self.image_format,
        )
        # Older folders have aligned faces and no ``kind`` in their settings.
        return settings if aligner.kind == ALIGNED else dict(settings, kind=aligner.kind)

    def make(self, job: AlignJob) -> Outcome:
        try:
            image = self._load(dict(img_path=job.source))['img']
        except UnreadableImageError as error:
            # Not final: the file may be repaired, or the disk be available again.
            return Outcome(None, dict(decision=UNREADABLE, reason=str(error)), final=False)
        alignment = self._aligner(image)
        row = _to_row(alignment)
        if alignment.image is not None:
            row['output'] = job.target
        return Outcome(alignment.image, row)

    def has_image(self, result: dict) -> bool:
        return 'output' in result

    def __getstate__(self) -> dict:
        return {key: value for key, value in vars(self).items() if key != '_aligner'}

    @cached_property
    def _aligner(self) -> FaceAligner:
        detector, choice, aligner = self._arguments
        detector = dict(detector)
        return FaceAligner(DETECTORS[detector.pop('type')](**detector), choice, **aligner)


def _to_row(alignment: Alignment) -> dict:
    row = dict(decision=alignment.decision, reason=alignment.reason, faces=alignment.num_faces)
    if alignment.face is not None:
        box, score, points = alignment.face
        numbers = (*box.tolist(), score, *points.ravel().tolist())
        row.update(zip(_COLUMNS[4:-2], numbers, strict=True))
        row['residual'] = round(alignment.residual, 3)
    return row
