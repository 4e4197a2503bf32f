# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np


@dataclass(frozen=True, eq=False)
class FrameTable(Sequence):
    """Millions of labeled video frames, in columns instead of one dict per frame.

    It replaces the list of samples of a dataset: an index returns the dict of one frame, a slice
    another table. Two million frames with twelve action units take 42 MB, pickled dicts more than
    ten times as much. Forked data loader workers share the columns, because array entries have no
    reference counts.

    A frame's dict has ``img_path``, ``video`` (the name of its folder), ``frame`` (its number), and
    an entry for each further column: an int if the column has one number per frame, otherwise a
    copy of its row.

    Args:
        image_dir (str): Folder with one folder per video.
        image_name (str): Name of an image, given its number ``{frame}``, such as
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
