# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Write one image file per job; an interrupted run can be resumed.

Files are written atomically, so every existing image is complete. A journal stores each finished
job with a fingerprint of its source. A run resumes where it was stopped, and a job whose source has
changed is done again.
"""

import multiprocessing
import os
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from torch.utils.data import DataLoader

from mmfer.utils.atomic_file import atomic_write
from mmfer.utils.file_lock import file_lock
from mmfer.utils.inside import path_inside

from .journal import Journal

#: Encoder settings; the first is the default. The same settings always give the same bytes.
IMAGE_FORMATS = {'jpg': [cv2.IMWRITE_JPEG_QUALITY, 95], 'png': [cv2.IMWRITE_PNG_COMPRESSION, 3]}

_LOCK = '.lock'

#: Wraps an iterator of results to show progress; also receives their number.
Track = Callable[[Iterator, int], Iterable]


def no_progress(results: Iterator, total: int) -> Iterable:
    """A :data:`Track` without a display."""
    return results


@dataclass(frozen=True)
class Job:
    """One image to write."""

    target: str  #: Its path relative to the target folder, with forward slashes.
    fingerprint: str  #: Changes if the source of the image changes.


@dataclass
class Report:
    """Summary of a run."""

    counts: Counter  #: Number of jobs per kind of result.
    reused: int  #: Number of jobs that an earlier run had finished.
    failed: list[tuple[str, ...]]  #: Jobs without an image: path of the source, …, reason.


class Outcome(NamedTuple):
    """Result of a job."""

    image: np.ndarray | None  #: (H, W, 3) uint8 in BGR; None if there is none.
    result: dict  #: Plain values for the journal.
    final: bool = True  #: False if the next run should try again.


class ImageWriter:
    """Map-style dataset that writes an image for each item, run by a data loader.

    The loader keeps the order and passes on errors of the workers. Workers end when the main
    process is killed, even while they start.

    Args:
        out (str | Path): Target folder. It may contain some or all results of the same run.
        image_format (str): A key of :data:`IMAGE_FORMATS`.
    """

    #: Start method of the workers. Defaults to None, that of the system.
    start_method: str | None = None

    def __init__(self, out: str | Path, image_format: str):
        if image_format not in IMAGE_FORMATS:
            raise ValueError(
                f'image_format must be one of {tuple(IMAGE_FORMATS)}, not {image_format!r}'
            )
        self.out = Path(out)
        self.image_format = image_format
        self.jobs: list = []

    def settings(self) -> dict:
        """Return everything that determines the images, as plain values."""
        raise NotImplementedError

    def make(self, job: Job) -> Outcome:
        """Create the image of a job."""
        raise NotImplementedError

    def has_image(self, result: dict) -> bool:
        """Return whether a job with this result in the journal has an image."""
        return True

    def run(
        self, jobs: Sequence[Job], summary: str, workers: int = 0, track: Track = no_progress
    ) -> tuple[list[dict], int]:
        """Do all jobs that are not finished yet.

        Args:
            jobs (Sequence[Job]): All jobs of the run.
            summary (str): Name of the file in ``out`` that describes all images. If there are
                unfinished jobs, it is deleted first, so that nobody uses an incomplete set; the
                caller writes it again.
            workers (int): Number of worker processes; the files do not depend on it. Defaults to 0,
                no other process.
            track (Track): Called if there are unfinished jobs. Defaults to :func:`no_progress`.

        Returns:
            The result of each job, and the number of jobs that an earlier run had finished.

        Raises:
            SettingsError: ``out`` has images with other settings.
            ValueError: A job would write outside of ``out``.
            InUseError: Another process writes to ``out``.
            OSError: A file could not be written.
        """
        for job in jobs:
            path_inside(self.out, job.target, 'the dataset')
        settings = self.settings()
        with file_lock(self.out / _LOCK):
            return self._run(jobs, Journal(self.out, settings), summary, workers, track)

    def _run(
        self, jobs: Sequence[Job], journal: Journal, summary: str, workers: int, track: Track
    ) -> tuple[list[dict], int]:
        done = {job.target: self._find(journal, job) for job in jobs}
        self.jobs = [job for job in jobs if done[job.target] is None]
        outcomes: Iterable = ()
        if self.jobs:
            (self.out / summary).unlink(missing_ok=True)
            context = self.start_method if workers else None
            # Without batches: the loader yields the return values of __getitem__.
            loader = DataLoader(
                self,
                None,
                num_workers=workers,
                collate_fn=_unchanged,
                multiprocessing_context=context,
                worker_init_fn=_end_with_main_process,
            )
            outcomes = track(iter(loader), len(self.jobs))
        with journal:
            for job, (result, final) in zip(self.jobs, outcomes, strict=True):
                done[job.target] = result
                if final:
                    journal.add(job.target, job.fingerprint, result)
        return [done[job.target] for job in jobs], len(jobs) - len(self.jobs)

    def __len__(self) -> int:
        return len(self.jobs)

    def __getitem__(self, index: int) -> tuple[dict, bool]:
        """Write the image of one job; return its result and whether it is final."""
        job = self.jobs[index]
        image, result, final = self.make(job)
        target = self.out / job.target
        if image is None:
            target.unlink(missing_ok=True)  # from an earlier version of the source
        else:
            suffix = f'.{self.image_format}'
            _, encoded = cv2.imencode(suffix, image, IMAGE_FORMATS[self.image_format])
            atomic_write(target, encoded.tobytes())
        return result, final

    def _find(self, journal: Journal, job: Job) -> dict | None:
        """Return the result of a job that an earlier run finished, if its image still exists."""
        result = journal.find(job.target, job.fingerprint)
        if result is not None and self.has_image(result) and not (self.out / job.target).is_file():
            return None
        return result


def _end_with_main_process(worker: int) -> None:
    """End this worker when the main process ends for any reason.

    The loader's own check compares with the parent process at the end of the worker's start, so it
    misses a main process that was killed before.
    """

    def wait() -> None:
        multiprocessing.parent_process().join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def _unchanged(item):
    return item
