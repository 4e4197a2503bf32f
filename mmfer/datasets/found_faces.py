# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Boxes that a detector found in a dataset's images, read from the report of ``align_faces.py``."""

import csv
import io
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mmfer.utils.csv_text import plain_cell
from mmfer.utils.text_file import read_text

from .transforms.annotation_check import check_box
from .transforms.crop_face import below_forehead

#: Decisions of images that cannot be used for training or testing.
SKIPPED = ('refused', 'unreadable')

_BOX = ('x1', 'y1', 'x2', 'y2')


class FoundFace(NamedTuple):
    """The entry of an image in the report."""

    decision: str  #: Decision in the report.
    box: np.ndarray | None  #: Without forehead, float32 (4,) pixels; None if missing.


def read_found_faces(path: str | Path) -> dict[str, FoundFace]:
    """Return the entry of each image, by its path below the folder that was searched.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: The file is not such a report, or has an invalid box.
    """
    return {row['path']: _read_row(row, path) for row in read_report(path, _BOX)}


def read_report(path: str | Path, columns: Iterable[str] = ()) -> list[dict[str, str]]:
    """Return the rows of a report of ``align_faces.py``, with the paths as they were.

    Args:
        path (str | Path): The report.
        columns (Iterable[str]): Columns that it must have, besides ``path`` and ``decision``.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: A column is missing, or a line is cut off.
    """
    table = csv.DictReader(io.StringIO(read_text(path)))
    missing = {'path', 'decision', *columns} - set(table.fieldnames or ())
    if missing:
        raise ValueError(f"'{path}' is not a report of align_faces.py: no column {min(missing)!r}")
    rows = []
    for row in table:
        if None in row.values():
            raise ValueError(f"'{path}', image {row['path']!r}: the line is cut off")
        rows.append({**row, 'path': plain_cell(row['path'])})
    return rows


def _read_row(row: dict[str, str], path: str | Path) -> FoundFace:
    if not any(row[column] for column in _BOX):
        return FoundFace(row['decision'], None)
    try:
        box = np.array([float(row[column]) for column in _BOX])
        check_box(box)
    except ValueError as error:
        raise ValueError(f"'{path}', image {row['path']!r}: {error}") from error
    return FoundFace(row['decision'], below_forehead(box))
