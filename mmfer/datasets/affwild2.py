# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import logging
import os
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mmfer.categories import ACTION_UNITS, EXPRESSIONS
from mmfer.registry import DATASETS
from mmfer.utils.checks import check_count
from mmfer.utils.short_list import short_list

from .affwild2_files import (
    EXPRESSION_NAMES,
    UNLABELED,
    read_action_units,
    read_expressions,
    read_valence_arousal,
)
from .annotation_files import list_files
from .class_numbers import class_numbers
from .frame_table import FrameTable
from .holdout_dataset import HoldoutDataset

#: Folder names of each track in the releases.
AFFWILD2_TRACKS = {
    'expression': (
        'EXPR_Set',  # 2021 (ABAW2), which the APViT paper uses, and 2020
        'EXPR_Classification_Challenge',  # 2022 and later, with the eighth class Other
        'EXPR_Recognition_Challenge',
    ),
    'action_units': ('AU_Set', 'AU_Detection_Challenge'),
    'valence_arousal': ('VA_Set', 'VA_Estimation_Challenge'),
}

_PARTS = {'train': 'Train_Set', 'val': 'Validation_Set'}
_Lists = dict[str, dict[str, dict[str, Path]]]  # task -> part -> video -> annotation file


@DATASETS.register_module()
class AffWild2(HoldoutDataset):
    """Frames of Aff-Wild2 with expressions and action units (Kollias and Zafeiriou, BMVC 2019).

    564 videos with about 2.8 million frames, annotated in tracks: some videos with one of seven
    expressions, some with twelve action units (:data:`mmfer.datasets.ACTION_UNITS`), most with
    valence and arousal, many in several tracks. A sample is a frame with

    ============  ================================================================================
    ``gt_label``  int, the expression in mmfer's order, not in the order of the files; -1 if not
                  labeled
    ``gt_au``     int8 (12,), 1 active, 0 not, -1 not labeled; only if ``tasks`` has action units
    ``video``     str, name of the video, with ``_left`` or ``_right`` if it shows two people
    ``frame``     int, number of the frame, from 1
    ============  ================================================================================

    and, if ``tasks`` has ``'valence_arousal'``, ``gt_valence_arousal``, float32 (2,), -1 to 1, NaN
    if not labeled. ``PackInputs(algorithm_keys=('gt_au', 'gt_valence_arousal'))`` keeps them.

    Line n of an annotation file, below the names, belongs to frame n; the image of frame 1 is
    ``00001.jpg``. Frames without any label are skipped, and so are frames without an image, in
    which no face was found. The log counts them.

    The labels of the test set are not public, so papers report the validation lists. ``val_ratio``
    holds out whole videos of the training lists, with both people of a video together.

    Note:
        Each track has its own split, so a video can be for training in one track and for validation
        in another. Training on both training lists, as described in the paper (section 4.1), then
        includes faces that the model is tested on. This is the default, ``'keep'``, because the
        published figure comes from it. Otherwise ``shared_videos`` names the track that defines the
        split of such a video; labels of other tracks with another split are skipped. With
        ``'expression'`` both splits have the official expressions, as with ``'keep'``, and only
        action units are lost. Use the same ``tasks`` and ``shared_videos`` for training and
        testing.

    Args:
        data_root (str): Folder with the annotations and the folder of frames.
        tasks (Sequence[str]): Tracks to read, one or several of ``'expression'``,
            ``'action_units'`` and ``'valence_arousal'``. Defaults to the first two, as in the
            paper.
        frame_step (int): Only frames 1, 1 + ``frame_step``, … of each video are read, as
            consecutive frames are nearly equal. Use it for training; results are reported on all
            frames. Defaults to 1.
        shared_videos (str): How to treat videos with different splits in different tracks.
            ``'keep'`` keeps all of them, with the leak. One of ``tasks`` is the track that defines
            the split; if a video is missing there, the first other track that has it does. Defaults
            to ``'keep'``.
        ann_dir (str): Folder that contains the track folders, relative to ``data_root``. Defaults
            to ``'annotations'``.
        track_dirs (dict[str, str], optional): Folder names of tracks in ``ann_dir`` that are not in
            :data:`AFFWILD2_TRACKS`, such as ``dict(expression='EXPR')``. Defaults to None, the
            names in that table.
        image_dir (str): Folder with one folder of frames per video, relative to ``data_root``.
            Defaults to ``'cropped_aligned'``.
        image_name (str): Name of a frame's image, given its number ``{frame}``. Defaults to
            ``'{frame:05d}.jpg'``.
        **kwargs: Arguments of :class:`HoldoutDataset`. Frames with an expression that is not in
            ``classes`` have no expression label. ``serialize_data`` has no effect, because the
            frames are in a smaller table (:class:`FrameTable`).
    """

    METAINFO = dict(
        dataset_name='AffWild2', task='expression', classes=EXPRESSIONS, action_units=ACTION_UNITS
    )

    REPORTED = 'val'

    SHOWN = (*HoldoutDataset.SHOWN, 'tasks', 'shared_videos', 'frame_step')

    LAYOUT = (
        '  annotations/EXPR_Set/Train_Set/video1.txt …  (Neutral,Anger,…; one number per frame)\n'
        '  annotations/EXPR_Set/Validation_Set/\n'
        '  annotations/AU_Set/Train_Set/, Validation_Set/  (AU1,AU2,…, then 12 numbers a frame)\n'
        '  annotations/VA_Set/Train_Set/, Validation_Set/  (valence,arousal, then both)\n'
        '  cropped_aligned/video1/00001.jpg …'
    )

    def __init__(
        self,
        data_root: str,
        *args,
        tasks: Sequence[str] = ('expression', 'action_units'),
        frame_step: int = 1,
        shared_videos: str = 'keep',
        ann_dir: str = 'annotations',
        track_dirs: dict[str, str] | None = None,
        image_dir: str = 'cropped_aligned',
        image_name: str = '{frame:05d}.jpg',
        **kwargs,
    ):
        known = tuple(AFFWILD2_TRACKS)
        tasks = (tasks,) if isinstance(tasks, str) else tuple(tasks)
        if not tasks or len(set(tasks)) != len(tasks) or not set(tasks) <= set(known):
            raise ValueError(f'AffWild2: tasks must be one or several of {known}, not {tasks!r}')
        check_count('AffWild2: frame_step', frame_step)
        for task in track_dirs or {}:
            self.require_one_of('each key of track_dirs', task, known)
        self.tasks = tasks
        self.frame_step = frame_step
        deciding = ('keep', *(known if len(tasks) == 1 else tasks))
        self.shared_videos = self.require_one_of('shared_videos', shared_videos, deciding)
        self.ann_dir = ann_dir
        self.track_dirs = dict(track_dirs or {})
        self.image_dir = image_dir
        self.image_name = image_name
        super().__init__(data_root, *args, **dict(kwargs, serialize_data=False))

    def load_data_list(self) -> FrameTable:
        root = self.require_folder(Path(self.data_root))
        annotations = self.require_folder(root / self.ann_dir)
        images = self.require_folder(root / self.image_dir)
        lists = {task: self._list_track(annotations, task) for task in self.tasks}
        self._settle_shared_videos(lists)
        files = self._select(lists)
        self._require_videos(images, files)
        frames = self._read_frames(images, files) if files else ()
        if not frames:
            raise self.empty(
                f"{self.tasks} have {len(files)} videos in '{annotations}', but no frame (with "
                f'frame_step={self.frame_step}) has both a label and an image such as '
                f"'{images}/VIDEO/{self.image_name.format(frame=1)}' (image_dir, image_name). "
                f'{self._where_to_set_it()}'
            )
        return frames

    # Which videos ------------------------------------------------------------------------------

    def _list_track(self, annotations: Path, task: str) -> dict[str, dict[str, Path]]:
        """Return the annotation file of each video, by split and video."""
        folder = self._find_track(annotations, task)
        lists = {}
        for part in _PARTS.values():
            paths = list_files(self.require_folder(folder / part), ('.txt',))
            lists[part] = {path.stem: path for path in paths}
        return lists

    def _find_track(self, annotations: Path, task: str) -> Path:
        if task in self.track_dirs:
            return self.require_folder(annotations / self.track_dirs[task])
        names = AFFWILD2_TRACKS[task]
        found = [name for name in names if (annotations / name).is_dir()]
        if not found:
            raise self.missing(
                f"'{annotations}' has none of the folders {names} of the track {task}; set ann_dir "
                'to their parent folder, or track_dirs to their names'
            )
        if len(found) > 1:
            raise ValueError(
                f"AffWild2: '{annotations}' has {found}, of several releases. Select one with "
                f'track_dirs, such as track_dirs=dict({task}={found[0]!r})'
            )
        return annotations / found[0]

    def _settle_shared_videos(self, lists: _Lists) -> None:
        """Handle videos with different splits in different tracks, as ``shared_videos`` says."""
        if len(lists) < 2:
            return
        part_of: dict[str, str] = {}
        for task in sorted(lists, key=lambda task: task != self.shared_videos):
            for part, videos in lists[task].items():
                for video in videos:
                    part_of.setdefault(video, part)
        elsewhere = [
            (videos, video)
            for parts in lists.values()
            for part, videos in parts.items()
            for video in videos
            if part_of[video] != part
        ]
        if not elsewhere:
            return
        shared = list(dict.fromkeys(video for _, video in elsewhere))
        found = (
            f'{len(shared)} videos are for training in one track and for validation in another, '
            f'such as {shared[0]!r};'
        )
        if self.shared_videos == 'keep':
            leak = (
                "shared_videos='keep' trains on faces that it is tested on, as the paper does; "
                f'shared_videos={self.tasks[0]!r} does not'
            )
            self.log(f'{found} {leak}', logging.WARNING)
            return
        for videos, video in elsewhere:
            del videos[video]
        self.log(
            f'{found} labels of other tracks with another split are skipped (shared_videos='
            f'{self.shared_videos!r})'
        )

    def _select(self, lists: _Lists) -> dict[str, dict[str, Path]]:
        """Return the annotation files of the split, by video and track."""
        files: dict[str, dict[str, Path]] = {}
        for task, parts in lists.items():
            for video, path in parts[_PARTS[self.official]].items():
                files.setdefault(video, {})[task] = path
        # Both people of one video are in the same split.
        kept = self.hold_out(files, lambda video: re.sub('_(left|right)$', '', video))
        return {video: files[video] for video in kept}

    def _require_videos(self, images: Path, files: dict[str, dict[str, Path]]) -> None:
        present = set(os.listdir(images))
        absent = [video for video in files if video not in present]
        if absent:
            raise self.missing(
                f"{len(absent)} of {len(files)} annotated videos have no folder in '{images}': "
                f'{short_list(absent)}. Unpack all archives of frames'
            )

    # Their frames ------------------------------------------------------------------------------

    def _read_frames(self, images: Path, files: dict[str, dict[str, Path]]) -> FrameTable:
        numbers = class_numbers('AffWild2', self._metainfo['classes'], EXPRESSION_NAMES)
        # Frames without a label, -1, index the last entry.
        of_files = [numbers.get(name, UNLABELED) for name in (*EXPRESSION_NAMES, None)]
        numbers_of_classes = np.array(of_files, np.int8)
        videos, counts, columns = sorted(files), Counter(), []
        for index, video in enumerate(videos):
            expressions, units, places = self._read_video(files[video])
            labels = numbers_of_classes[expressions]
            rows = np.arange(0, len(labels), self.frame_step)
            labeled = labels[rows] >= 0
            labeled |= (units[rows] >= 0).any(axis=1) | np.isfinite(places[rows]).all(axis=1)
            # Listing each folder once is much faster than checking every file.
            present = set(os.listdir(images / video))
            names = (self.image_name.format(frame=row + 1) for row in rows.tolist())
            seen = np.array([name in present for name in names], bool)
            other = ~labeled & (expressions[rows] >= 0)
            counts['without a label'] += int((~labeled & ~other).sum())
            counts['of another class'] += int(other.sum())
            counts['without an image'] += int((labeled & ~seen).sum())
            rows = rows[labeled & seen]
            numbers = np.full(len(rows), index, np.int32)
            frame = (rows + 1).astype(np.int32)
            columns.append((numbers, frame, labels[rows], units[rows], places[rows]))
        video, frame, labels, units, places = map(np.concatenate, zip(*columns, strict=True))
        self._report(len(videos), labels, units, places, counts)
        further = dict(gt_label=labels)
        if 'action_units' in self.tasks:
            further['gt_au'] = units
        if 'valence_arousal' in self.tasks:
            further['gt_valence_arousal'] = places
        return FrameTable(str(images), self.image_name, videos, video, frame, further)

    def _read_video(self, files: dict[str, Path]) -> list[np.ndarray]:
        """Read expression (F,), action units (F, 12) and valence and arousal (F, 2) of all frames.

        Missing labels are -1, or NaN for valence and arousal.
        """
        labels = np.empty(0, np.int8)
        units = np.empty((0, len(self._metainfo['action_units'])), np.int8)
        places = np.empty((0, 2), np.float32)
        if 'expression' in files:
            labels = read_expressions(files['expression'])
        if 'action_units' in files:
            units = read_action_units(files['action_units'], self._metainfo['action_units'])
        if 'valence_arousal' in files:
            places = read_valence_arousal(files['valence_arousal'])
        length = max(len(labels), len(units), len(places))
        return [_lengthen(column, length) for column in (labels, units, places)]

    def _report(
        self,
        videos: int,
        labels: np.ndarray,
        units: np.ndarray,
        places: np.ndarray,
        skipped: Counter,
    ) -> None:
        expression, action_units = labels >= 0, (units >= 0).any(axis=1)
        both = int((expression & action_units).sum())
        third = ''
        if 'valence_arousal' in self.tasks:
            third = f'; {int(np.isfinite(places).all(axis=1).sum())} with valence and arousal'
        reasons = ', '.join(f'{count} {reason}' for reason, count in skipped.items() if count)
        self.log(
            f'{len(labels)} frames of {videos} videos; '
            f'{int(expression.sum()) - both} with an expression only, '
            f'{int(action_units.sum()) - both} with action units only, {both} with both{third}. '
            f'Skipped: {reasons or "nothing"}'
        )


def _lengthen(labels: np.ndarray, length: int) -> np.ndarray:
    """Append unlabeled frames, because tracks of one video may differ in length."""
    unlabeled = np.nan if labels.dtype == np.float32 else UNLABELED
    rest = np.full((length - len(labels), *labels.shape[1:]), unlabeled, labels.dtype)
    return np.concatenate([labels, rest])
