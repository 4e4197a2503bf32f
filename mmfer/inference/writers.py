# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Write results one by one. All lines of an image are written in one call, so after a killed run
only the last image can be incomplete.
"""

import contextlib
import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mmfer.faces import POINT_NAMES
from mmfer.utils.csv_text import csv_text
from mmfer.utils.file_lock import file_lock

from .results import FaceResult, ImageResult


class _LineWriter:
    """A file that is written in whole lines; a context manager.

    Only one process can write it at a time: a lock file next to it (``.NAME.lock``) exists until it
    is closed. The text is UTF-8; invalid bytes in file names become ``\\udcXX``.

    Raises:
        InUseError: Another process is writing it.
        OSError: The file cannot be written.
    """

    def __init__(self, path: str | Path):
        self._path = Path(path)
        with contextlib.ExitStack() as stack:
            stack.enter_context(file_lock(self._path.with_name(f'.{self._path.name}.lock')))
            # Unbuffered, so that nothing is lost if the process is killed.
            self._file = stack.enter_context(open(path, 'ab', buffering=0))
            self._file.truncate(0)
            self._open = stack.pop_all()

    def __enter__(self):
        return self

    def __exit__(self, *error) -> None:
        self._open.close()

    def _put(self, text: str) -> None:
        end = self._file.seek(0, io.SEEK_END)
        left = memoryview(text.encode(errors='backslashreplace'))
        try:
            while left:  # a nearly full disk may accept only a part
                left = left[self._file.write(left) :]
        except OSError as error:
            self._file.truncate(end)
            raise OSError(error.errno, error.strerror, str(self._path)) from error


class JsonLinesWriter(_LineWriter):
    """Writes one JSON object per image, :meth:`.ImageResult.to_dict`.

    :func:`read_json_lines` reads the file.

    Args:
        path (str | Path): The file; an existing one is overwritten.
    """

    def write(self, result: ImageResult) -> None:
        self._put(json.dumps(result.to_dict(), ensure_ascii=False, allow_nan=False) + '\n')


def read_json_lines(path: str | Path) -> Iterator[ImageResult]:
    """Read a file written by :class:`JsonLinesWriter`.

    An incomplete last line, from a run that was killed, is skipped.

    Raises:
        ValueError: A line is not a result.
    """
    with open(path, 'rb') as file:  # the last line may end in the middle of a character
        for number, line in enumerate(file, 1):
            if not line.endswith(b'\n'):
                return
            try:
                yield ImageResult.from_dict(json.loads(line))
            except (ValueError, AttributeError) as error:
                raise ValueError(f'{path}, line {number}: {error}') from error


_IMAGE = ('source', 'frame', 'time', 'width', 'height', 'status', 'reason', 'drawn')
_FACE = (
    *('face', 'x1', 'y1', 'x2', 'y2', 'detection_score'),
    *(f'{name}_{axis}' for name in POINT_NAMES for axis in 'xy'),
)


class CsvWriter(_LineWriter):
    """Writes one row per face; images without a face and unreadable files have one row each.

    The columns depend on the task of the model:

    * of the image: ``source``, ``frame``, ``time``, ``width``, ``height``, ``status``, ``reason``,
      ``drawn``;
    * of the face: ``face`` (its number in the image, from 0), ``x1`` to ``y2``,
      ``detection_score``, ``left_eye_x`` to ``right_mouth_y``;
    * for classifiers: ``label``, ``class_name``, ``score``, ``score_<class>`` of each class and
      ``score_<unit>`` of each action unit; for models that predict them: ``valence`` and
      ``arousal``; for age models: ``age``; for landmark models: ``x_0``, ``y_0``, ``x_1``, ...

    Args:
        path (str | Path): The file; an existing one is overwritten.
        task (str): Task of the model, one of :data:`mmfer.inference.model_facts.ALL_TASKS`.
        classes (Sequence[str]): Class names. Defaults to none.
        action_units (Sequence[str]): Names of the predicted action units. Defaults to none.
        num_points (int): Number of predicted landmarks. Defaults to 0.
        valence_arousal (bool): Whether valence and arousal are predicted. Defaults to False.
    """

    def __init__(
        self,
        path: str | Path,
        task: str,
        classes: Sequence[str] = (),
        action_units: Sequence[str] = (),
        num_points: int = 0,
        valence_arousal: bool = False,
    ):
        super().__init__(path)
        if task == 'age':
            predicted = ('age',)
        elif task == 'landmarks':
            predicted = tuple(f'{axis}_{index}' for index in range(num_points) for axis in 'xy')
        elif task == 'valence_arousal':
            predicted = ()
        else:
            scores = (f'score_{name}' for name in (*classes, *action_units))
            predicted = ('label', 'class_name', 'score', *scores)
        both = ('valence', 'arousal') if valence_arousal else ()
        self.columns = (*_IMAGE, *_FACE, *predicted, *both)
        self._write_rows([self.columns])

    def write(self, result: ImageResult) -> None:
        image = {name: getattr(result, name) for name in _IMAGE}
        faces = [dict(_face_columns(face), face=i) for i, face in enumerate(result.faces)]
        rows = [{**image, **face} for face in faces or [{}]]
        self._write_rows([[row.get(name) for name in self.columns] for row in rows])

    def _write_rows(self, rows: Sequence[Sequence[Any]]) -> None:
        self._put(csv_text(rows))


def _face_columns(face: FaceResult) -> dict[str, Any]:
    columns = dict(zip(('x1', 'y1', 'x2', 'y2'), face.box, strict=True))
    columns['detection_score'] = face.detection_score
    for name, point in zip(POINT_NAMES, face.five_points or (), strict=False):
        columns[f'{name}_x'], columns[f'{name}_y'] = point
    columns.update(label=face.label, class_name=face.class_name, score=face.score, age=face.age)
    columns.update(valence=face.valence, arousal=face.arousal)
    for scores in (face.scores, face.action_units):
        columns.update({f'score_{name}': score for name, score in (scores or {}).items()})
    for index, point in enumerate(face.points or ()):
        columns[f'x_{index}'], columns[f'y_{index}'] = point
    return columns
