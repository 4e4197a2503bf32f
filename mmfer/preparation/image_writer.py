# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Write an image file per job in a way that can be stopped and resumed.

An image that is there is whole: files are written atomically. Each finished job is noted in a
journal, with a fingerprint of what it was made of; so a run resumes where it was stopped, and a job
whose source has changed meanwhile is done again.
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

#: Encoder settings; the first is the default. Images of one setting are the same bytes every time.
IMAGE_FORMATS = {'jpg': [cv2.IMWRITE_JPEG_QUALITY, 95], 'png': [cv2.IMWRITE_PNG_COMPRESSION, 3]}

_LOCK = '.lock'

#: Wraps the iterator of results, given their number, to show progress.
Track = Callable[[Iterator, int], Iterable]


def no_progress(results: Iterator, total: int) -> Iterable:
    """A :data:`Track` that shows nothing."""
    return results


@dataclass(frozen=True)
class Job:
    """One image to write."""

    target: str  #: Its path, relative to the target folder, with forward slashes.
    fingerprint: str  #: Changes with what the image is made of.


@dataclass
class Report:
    """What came of a run."""

    counts: Counter  #: How many jobs came out in which way.
    reused: int  #: How many of them an earlier run had done.
    failed: list[tuple[str, ...]]  #: Jobs without an image: path of the source, …, reason.


class Outcome(NamedTuple):
    """What came of a job."""

    image: np.ndarray | None  #: (H, W, 3) uint8 in BGR; None: there is none.
    result: dict  #: Plain values, which the journal keeps.
    final: bool = True  #: Whether the next run need not try again.


class ImageWriter:
    """A map-style dataset whose items are images being written: a data loader then runs it.

    The loader keeps the order and hands on the workers' errors. Workers end when the main process
    is killed, while they start as well.

    Args:
        out (str | Path): Target folder; may hold a part, or all, of the same run.
        image_format (str): A key of :data:`IMAGE_FORMATS`.
    """

    #: How workers are started. Defaults to the system's way.
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
        """All that decides what the images look like; plain values."""
        raise NotImplementedError

    def make(self, job: Job) -> Outcome:
        """Make the image of a job."""
        raise NotImplementedError

    def has_image(self, result: dict) -> bool:
        """Whether a job with this result in the journal has an image."""
        return True

    def run(
        self, jobs: Sequence[Job], summary: str, workers: int = 0, track: Track = no_progress
    ) -> tuple[list[dict], int]:
        """Do all jobs that are not done yet.

        Args:
            jobs (Sequence[Job]): All of them.
            summary (str): Name of the file in ``out`` that describes all images. It is removed
                where there is something to do, so that nobody uses half a set; the caller writes it
                anew.
            workers (int): Processes; 0 does it in this one. The files are the same. Defaults to 0.
            track (Track): Called where there is something to do.

        Returns:
            The result of each job, and how many of them an earlier run had done.

        Raises:
            SettingsError: ``out`` holds images of other settings.
            ValueError: A job would write outside ``out``.
            InUseError: Another process writes there.
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
            # Without batches: an item is what __getitem__ returns.
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
        """Write the image of one job; return its result, and whether that is final."""
        job = self.jobs[index]
        image, result, final = self.make(job)
        target = self.out / job.target
        if image is None:
            target.unlink(missing_ok=True)  # of an earlier state of the source
        else:
            suffix = f'.{self.image_format}'
            _, encoded = cv2.imencode(suffix, image, IMAGE_FORMATS[self.image_format])
            atomic_write(target, encoded.tobytes())
        return result, final

    def _find(self, journal: Journal, job: Job) -> dict | None:
        """Result of a job that an earlier run has done and whose image is still there."""
        result = journal.find(job.target, job.fingerprint)
        if result is not None and self.has_image(result) and not (self.out / job.target).is_file():
            return None
        return result


def _end_with_main_process(worker: int) -> None:
    """End this worker when the main process does, however.

    The loader's own workers look for that, too, but take whoever is their parent when they have
    started for the main process: one that was killed before is never missed.
    """

    def wait() -> None:
        multiprocessing.parent_process().join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def _unchanged(item):
    return item
