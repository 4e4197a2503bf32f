# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""The annotation files of Aff-Wild2: a line of names, then one line for each frame of a video."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mmfer.categories import EXPRESSIONS
from mmfer.utils.text_file import read_text

#: What stands for a frame without a label.
UNLABELED = -1

#: The columns of the valence-arousal track, in the order of ``gt_valence_arousal``.
VALENCE_AROUSAL = ('valence', 'arousal')
_NOT_ANNOTATED = -5

#: Expressions that files may name; the releases of 2022 and later have the eighth.
EXPRESSION_NAMES = (*EXPRESSIONS, 'Other')


def read_expressions(path: str | Path) -> np.ndarray:
    """Read a file of the expression track.

    Its first line names the expressions, ``Neutral,Anger,Disgust,Fear,Happiness,Sadness,Surprise``;
    each further line is the index of one of them, or -1.

    Returns:
        (F,) int8, index in :data:`EXPRESSION_NAMES`; -1 without a label.

    Raises:
        ValueError: A line is not like this; says which.
    """
    names, rows = _read(path, columns=1)
    unknown = [name for name in names if name not in EXPRESSION_NAMES]
    if unknown:
        raise ValueError(
            f'{path}, line 1 names the expressions {unknown}; known are {EXPRESSION_NAMES}'
        )
    numbers = _check(path, rows, -1, len(names) - 1)[:, 0]
    # The last entry is what -1 finds.
    renumbered = [*map(EXPRESSION_NAMES.index, names), UNLABELED]
    return np.array(renumbered, np.int8)[numbers]


def read_action_units(path: str | Path, units: Sequence[str]) -> np.ndarray:
    """Read a file of the action-unit track.

    Its first line names the units, ``AU1,AU2,…``; each further line says of each of them whether it
    is active: 1, 0 or, without a label, -1.

    Args:
        path (str | Path): The file.
        units (Sequence[str]): Names of the units to read, in this order.

    Returns:
        (F, len(units)) int8.

    Raises:
        ValueError: A line is not like this, or a unit is missing; says which.
    """
    names, rows = _read(path)
    absent = [unit for unit in units if unit not in names]
    if absent:
        raise ValueError(
            f'{path}, line 1 names the action units {names}; {absent} are missing. Annotations of '
            '2020 have other units: take those of 2021 or later'
        )
    rows = _check(path, rows, -1, 1)
    return np.ascontiguousarray(rows[:, [names.index(unit) for unit in units]])


def read_valence_arousal(path: str | Path) -> np.ndarray:
    """Read a file of the valence-arousal track.

    Its first line is ``valence,arousal``; each further line has both, -1 to 1; -5 stands for a
    frame that is not annotated.

    Returns:
        (F, 2) float32, valence and arousal; NaN without a label.

    Raises:
        ValueError: A line is not like this; says which.
    """
    names, rows = _read(path, dtype=np.float32)
    if sorted(names) != sorted(VALENCE_AROUSAL):
        raise ValueError(f'{path}, line 1 is {",".join(names)!r}; it must be valence,arousal')
    rows = rows[:, [names.index(name) for name in VALENCE_AROUSAL]]
    rows[(rows == _NOT_ANNOTATED).any(axis=1)] = np.nan
    return _check(path, rows, -1, 1)


def _read(
    path: str | Path, columns: int | None = None, dtype: type = np.int8
) -> tuple[list[str], np.ndarray]:
    """Names and numbers, (F, columns); by default there is a column for each name."""
    header, *lines = read_text(path).rstrip().split('\n')
    names = [name.strip() for name in header.split(',')]
    columns = columns or len(names)
    if not lines:
        return names, np.empty((0, columns), dtype)
    # The line is the frame: skipping an empty one would shift all labels behind it.
    if any(not line.strip() for line in lines):
        number = next(n for n, line in enumerate(lines, start=2) if not line.strip())
        raise ValueError(f'{path}, line {number} is empty; each line is for one frame')
    try:
        rows = np.loadtxt(lines, dtype, delimiter=',', ndmin=2, comments=None)
    except ValueError as error:
        raise ValueError(f'{path}, below line 1: {error}') from error
    if rows.shape[1] != columns:
        raise ValueError(f'{path} has {rows.shape[1]} numbers in a line instead of {columns}')
    return names, rows


def _check(path: str | Path, rows: np.ndarray, low: int, high: int) -> np.ndarray:
    """Return the numbers if all are in [low, high], or NaN."""
    wrong = np.flatnonzero(((rows < low) | (rows > high)).any(axis=1))
    if len(wrong):
        line, numbers = wrong[0] + 2, rows[wrong[0]].tolist()
        raise ValueError(f'{path}, line {line}: {numbers}; numbers must be {low} to {high}')
    return rows
