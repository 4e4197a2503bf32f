# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Find, align and crop the faces of many images, into files beside a report of every decision."""

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
from mmfer.utils.files_below import IMAGE, media_below, warn_left_out
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
    """Images under a folder, sorted; what is one its content tells.

    Junk is skipped, and the log says which other files are no images.

    Raises:
        FileNotFoundError: There is no such folder.
        ValueError: There are no images in it, or ``out`` is in it, whose crops would be taken for
            images the next time.
    """
    folder, out = Path(folder), Path(out)
    if out.resolve().is_relative_to(folder.resolve()):
        raise ValueError(
            f"crops would go to '{out}', inside the images' folder '{folder}', and be taken for "
            'images the next time; name a folder beside it'
        )
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder '{folder}'")
    paths, left_out = media_below(folder, [IMAGE])
    warn_left_out(folder, left_out, [IMAGE])
    names = sorted(path.relative_to(folder).as_posix() for path in paths)
    if not names:
        raise ValueError(f"'{folder}' holds no images ({', '.join(FORMATS)})")
    return names


def read_list(path: str | Path) -> list[str]:
    """Paths of images from a text file, one a line; blank lines and repetitions are skipped.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It names none, or one that is not inside the root folder.
    """
    lines = read_text(path, 'surrogateescape').split('\n')  # names of files need not be text
    names = list(dict.fromkeys(Path(line.strip()).as_posix() for line in lines if line.strip()))
    if not names:
        raise ValueError(f"'{path}' names no images; it is to have one path a line")
    for number, line in enumerate(lines, start=1):
        if line.strip():
            check_name(line.strip(), f"'{path}', line {number},")
    return names


def plan_alignment(
    names: Iterable[str], root: str | Path, out: str | Path, image_format: str = 'jpg'
) -> list[AlignJob]:
    """List which image goes where: to the same place in ``out``, with another suffix.

    Where two would have the same name (``a.jpg`` and ``a.png``) the second gets ``a_2.jpg``;
    :data:`REPORT` tells which is which.

    Raises:
        ValueError: ``out`` is ``root``, where crops would replace images.
    """
    root, out = Path(root), Path(out)
    if out.resolve() == root.resolve():
        raise ValueError(f"crops in '{out}' would replace the images there; name another folder")
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
        out (str | Path): Target folder; may hold a part, or all, of the same run.
        detector (dict): ``type``, a key of :data:`mmfer.faces.DETECTORS`, and the arguments of it.
        choice (FaceChoice, optional): Which face of an image counts. Defaults to the rules of
            :class:`.FaceChoice`.
        image_format (str): A key of :data:`.IMAGE_FORMATS`. Defaults to ``'jpg'``.
        workers (int): Processes; 0 does it in this one. The files are the same. Defaults to 0.
        track (Track): See :meth:`.ImageWriter.run`.
        **aligner: Further arguments of :class:`.FaceAligner`: ``size``, ``kind``, ``no_face``,
            ``border``, ``fill``.

    Returns:
        Images of each decision, and those that were refused or could not be read. :data:`REPORT` in
        ``out`` has it image by image, in the jobs' order.

    Raises:
        SettingsError: ``out`` holds crops of other settings.
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
    """Networks do not travel to the workers; each builds its own."""

    # Neither OpenCV's threads nor torch's survive a fork.
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
                f'a detector has a type, one of {tuple(DETECTORS)}: {detector!r} has not'
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
        # Folders from before there were kinds have aligned faces, and say nothing of it.
        return settings if aligner.kind == ALIGNED else dict(settings, kind=aligner.kind)

    def make(self, job: AlignJob) -> Outcome:
        try:
            image = self._load(dict(img_path=job.source))['img']
        except UnreadableImageError as error:
            # Not final: it may be repaired, or a disk be back.
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
