# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np


@dataclass(frozen=True, eq=False)
class FrameTable(Sequence):
    """Millions of labeled frames of videos, in columns instead of a dict each.

    It stands for the list of samples of a dataset: an index gives the dict of one frame, a slice
    another table. Two million frames with twelve action units take 42 MB, as pickled dicts more
    than ten times as much; data loader workers that are forked share the columns, as nothing counts
    references to their entries.

    A frame's dict has ``img_path``, ``video`` (the name of its folder), ``frame`` (its number), and
    an entry for each further column: an int where the column has one number a frame, otherwise an
    array of its own.

    Args:
        image_dir (str): Folder with a folder for each video.
        image_name (str): How an image is called, given its number ``{frame}``, such as
            ``'{frame:05d}.jpg'``.
        videos (Sequence[str]): Names of the videos' folders.
        video (np.ndarray): (N,) index in ``videos`` of each frame.
        frame (np.ndarray): (N,) number of each frame in its video.
        columns (Mapping[str, np.ndarray]): Further columns by name, each with N rows.
    """

    image_dir: str
    image_name: str
    videos: Sequence[str]
    video: np.ndarray
    frame: np.ndarray
    columns: Mapping[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.frame)

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            columns = {name: column[index] for name, column in self.columns.items()}
            return replace(self, video=self.video[index], frame=self.frame[index], columns=columns)
        video, frame = self.videos[self.video[index]], int(self.frame[index])
        sample = dict(
            img_path=f'{self.image_dir}/{video}/{self.image_name.format(frame=frame)}',
            video=video,
            frame=frame,
        )
        for name, column in self.columns.items():
            sample[name] = column[index].copy() if column.ndim > 1 else int(column[index])
        return sample
