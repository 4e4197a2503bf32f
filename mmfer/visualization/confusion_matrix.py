# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from .figures import new_figure, new_panels, text_color

# A single hue, readable with all types of color blindness and in print.
_COLORS = 'Blues'
_SCALE = Normalize(0, 100)


def draw_confusion_matrix(matrix: np.ndarray, classes: Sequence[str], title: str = '') -> Figure:
    """Draw counts and row percentages.

    Colors show the percentages, since counts mostly show how frequent a class is.

    Args:
        matrix (np.ndarray): (C, C) counts; row: ground truth, column: prediction.
        classes (Sequence[str]): Names of the C classes.
        title (str): Title. Defaults to none.

    Returns:
        A figure without a window; ``figure.savefig(path)`` writes it.

    Raises:
        ValueError: The matrix has another shape.
    """
    side = 2.5 + 0.95 * len(classes)
    figure = new_figure(side, side * 0.87)
    axes = figure.add_subplot()
    _draw_matrix(axes, matrix, classes, title, fontsize=10)
    _draw_bar(figure, axes)
    return figure


def draw_confusion_matrices(
    matrices: Mapping[str, tuple[np.ndarray, Sequence[str]]], columns: int = 3, title: str = ''
) -> Figure:
    """Draw several matrices side by side, like Figure 6 of the paper for its six datasets.

    Args:
        matrices (Mapping[str, tuple[np.ndarray, Sequence[str]]]): Name -> matrix and classes, see
            :func:`draw_confusion_matrix`. Panels may have different classes.
        columns (int): Panels per row. Defaults to 3.
        title (str): Title. Defaults to none.

    Returns:
        A figure without a window.

    Raises:
        ValueError: There is no matrix, or the shape of a matrix does not match its classes.
    """
    if not matrices:
        raise ValueError('there is no confusion matrix to draw')
    side = 1.6 + 0.58 * max(len(classes) for _, classes in matrices.values())
    figure, panels = new_panels(
        len(matrices), columns, (side, side - 0.45), (0.9, 0.3 * bool(title)), title
    )
    for panel, (name, (matrix, classes)) in zip(panels, matrices.items(), strict=True):
        _draw_matrix(panel, matrix, classes, f'{name}: {accuracy_of(matrix)}', fontsize=8)
    _draw_bar(figure, panels, aspect=30, fraction=0.03, pad=0.01)
    return figure


def accuracy_of(matrix: np.ndarray) -> str:
    """Return the overall accuracy of counts ``(C, C)`` as a caption."""
    matrix = np.asarray(matrix)
    accuracy = 100 * np.trace(matrix) / max(matrix.sum(), 1)
    return f'accuracy {accuracy:.2f} % of {matrix.sum()} images'


def _draw_matrix(
    axes, matrix: np.ndarray, classes: Sequence[str], title: str, fontsize: float
) -> None:
    """Check a matrix and draw it into given axes."""
    matrix = np.asarray(matrix)
    if matrix.shape != (len(classes), len(classes)):
        raise ValueError(
            f'a confusion matrix of {len(classes)} classes must have the shape '
            f'{(len(classes), len(classes))}, not {matrix.shape}'
        )
    support = matrix.sum(axis=1, keepdims=True)
    percent = 100 * matrix / np.maximum(support, 1)
    colors = colormaps[_COLORS]
    axes.imshow(percent, cmap=colors, norm=_SCALE)
    for row, column in np.ndindex(matrix.shape):
        axes.text(
            column,
            row,
            f'{percent[row, column]:.1f} %\n{matrix[row, column]:d}',
            ha='center',
            va='center',
            fontsize=fontsize,
            color=text_color(colors(_SCALE(percent[row, column]))),
        )
    ticks = range(len(classes))
    axes.set_xticks(ticks, classes, rotation=30, ha='right', rotation_mode='anchor')
    axes.set_yticks(
        ticks, [f'{name} ({count})' for name, count in zip(classes, support[:, 0], strict=True)]
    )
    axes.tick_params(labelsize=fontsize)
    axes.set_xlabel('predicted', fontsize=fontsize)
    axes.set_ylabel('true (number of images)', fontsize=fontsize)
    axes.set_title(title, fontsize=1.2 * fontsize)


def _draw_bar(figure: Figure, axes, **layout) -> None:
    shades = ScalarMappable(_SCALE, _COLORS)
    figure.colorbar(shades, ax=axes, label='% of the true class', shrink=0.8, **layout)
