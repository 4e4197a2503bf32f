# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Annotation files of Aff-Wild2: a line of names, then one line per frame of a video."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mmfer.categories import EXPRESSIONS
from mmfer.utils.text_file import read_text

#: Marks a frame without a label.
UNLABELED = -1

#: The columns of the valence-arousal track, in the order of ``gt_valence_arousal``.
VALENCE_AROUSAL = ('valence', 'arousal')
_NOT_ANNOTATED = -5

#: Allowed expressions in the files; only the releases of 2022 and later have the eighth.
EXPRESSION_NAMES = (*EXPRESSIONS, 'Other')


def read_expressions(path: str | Path) -> np.ndarray:
    """Read a file of the expression track.

    Its first line names the expressions, ``Neutral,Anger,Disgust,Fear,Happiness,Sadness,Surprise``;
    each further line is the index of one of them, or -1.

    Returns:
        (F,) int8, index in :data:`EXPRESSION_NAMES`; -1 if not labeled.

    Raises:
        ValueError: A line is malformed. The message names it.
    """
    names, rows = _read(path, columns=1)
    unknown = [name for name in names if name not in EXPRESSION_NAMES]
    if unknown:
        raise ValueError(
            f'{path}, line 1 names the expressions {unknown}; known are {EXPRESSION_NAMES}'
        )
    numbers = _check(path, rows, -1, len(names) - 1)[:, 0]
    # -1 indexes the last entry.
    renumbered = [*map(EXPRESSION_NAMES.index, names), UNLABELED]
    return np.array(renumbered, np.int8)[numbers]


def read_action_units(path: str | Path, units: Sequence[str]) -> np.ndarray:
    """Read a file of the action-unit track.

    Its first line names the units, ``AU1,AU2,…``; each further line has a number per unit: 1
    active, 0 not, -1 not labeled.

    Args:
        path (str | Path): The file.
        units (Sequence[str]): Names of the units to read, in this order.

    Returns:
        (F, len(units)) int8.

    Raises:
        ValueError: A line is malformed, or a unit is missing. The message names it.
    """
    names, rows = _read(path)
    absent = [unit for unit in units if unit not in names]
    if absent:
        raise ValueError(
            f'{path}, line 1 names the action units {names}; {absent} are missing. Annotations of '
            '2020 have other units: use those of 2021 or later'
        )
    rows = _check(path, rows, -1, 1)
    return np.ascontiguousarray(rows[:, [names.index(unit) for unit in units]])


def read_valence_arousal(path: str | Path) -> np.ndarray:
    """Read a file of the valence-arousal track.

    Its first line is ``valence,arousal``; each further line has both, -1 to 1; -5 marks a frame
    without annotation.

    Returns:
        (F, 2) float32, valence and arousal; NaN if not labeled.

    Raises:
        ValueError: A line is malformed. The message names it.
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
    """Return names and numbers, (F, columns). ``columns`` defaults to one per name."""
    header, *lines = read_text(path).rstrip().split('\n')
    names = [name.strip() for name in header.split(',')]
    columns = columns or len(names)
    if not lines:
        return names, np.empty((0, columns), dtype)
    # The line number is the frame: skipping an empty line would shift all labels after it.
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
