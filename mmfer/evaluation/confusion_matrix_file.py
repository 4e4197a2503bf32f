# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import csv
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mmfer.utils.atomic_file import atomic_write_csv
from mmfer.utils.csv_text import plain_cell
from mmfer.utils.text_file import read_text


def write_confusion_matrix(path: str | Path, matrix: np.ndarray, classes: Sequence[str]) -> None:
    """Write a table for :func:`read_confusion_matrix`.

    Args:
        path (str | Path): The ``.csv`` file; an existing file is replaced.
        matrix (np.ndarray): Counts ``(C, C)``, row: ground truth, column: prediction.
        classes (Sequence[str]): Names of the C classes.
    """
    rows = ([name, *row] for name, row in zip(classes, matrix.tolist(), strict=True))
    atomic_write_csv(path, [['true \\ predicted', *classes], *rows])


def read_confusion_matrix(path: str | Path) -> tuple[np.ndarray, tuple[str, ...]]:
    """Read a table of counts, as written by :class:`~mmfer.engine.hooks.ConfusionMatrixHook`.

    Args:
        path (str | Path): ``confusion_matrix.csv``: a line with an empty or any first cell and the
            class names, then a line per true class with its name and the counts of predictions.

    Returns:
        Counts ``(C, C)``, row: ground truth, column: prediction; and the class names.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is not such a table.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f'there is no confusion matrix {path}; tools/test.py writes confusion_matrix.csv to '
            "the work folder if test_evaluator has dict(type='ConfusionMatrix')"
        )
    (_, *classes), *rows = list(csv.reader(io.StringIO(read_text(path)))) or [['']]
    names = [row[0] if row else '' for row in rows]
    if not classes or names != classes:
        raise ValueError(
            f'{path} is not a confusion matrix: its first line has the classes {classes}, its '
            f'first column {names}; they must be the same'
        )
    try:
        matrix = np.array([[int(cell) for cell in row[1:]] for row in rows])
    except ValueError as error:  # a cell is not a number, or rows have different lengths
        raise ValueError(f'{path} is not a table of counts: {error}') from error
    if matrix.shape != (len(classes), len(classes)) or matrix.min() < 0:
        raise ValueError(
            f'{path} must have {len(classes)} counts >= 0 for each of its {len(classes)} classes; '
            f'it has the shape {matrix.shape} and the smallest count {matrix.min(initial=0)}'
        )
    return matrix, tuple(map(plain_cell, classes))


def add_confusion_matrices(paths: Sequence[str | Path]) -> tuple[np.ndarray, tuple[str, ...]]:
    """Read tables by :func:`read_confusion_matrix` and add up their counts.

    Args:
        paths (Sequence[str | Path]): Tables with the same classes in the same order; at least one.

    Raises:
        ValueError: The classes differ.
    """
    total, classes = read_confusion_matrix(paths[0])
    for path in paths[1:]:
        matrix, names = read_confusion_matrix(path)
        if names != classes:
            raise ValueError(
                f'confusion matrices of different classes cannot be added up: {paths[0]} has '
                f'{list(classes)}, {path} has {list(names)}'
            )
        total = total + matrix
    return total, classes
