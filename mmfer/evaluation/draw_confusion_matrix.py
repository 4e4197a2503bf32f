# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from collections.abc import Sequence

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure


def draw_confusion_matrix(matrix: np.ndarray, classes: Sequence[str], title: str = '') -> Figure:
    """Draw counts and row percentages.

    Shades follow the percentages, since counts would show little but how frequent a class is. One
    hue of growing darkness reads the same with every kind of colour vision, and in print.

    Args:
        matrix: (C, C) counts; row: ground truth, column: prediction.
        classes: Names of the C classes.
        title: Headline. Default: none.

    Returns:
        A figure that belongs to no window; ``figure.savefig(path)`` writes it.
    """
    matrix = np.asarray(matrix)
    if matrix.shape != (len(classes), len(classes)):
        raise ValueError(
            f'a confusion matrix of {len(classes)} classes has as many rows and columns, '
            f'this one has the shape {matrix.shape}'
        )
    support = matrix.sum(axis=1, keepdims=True)
    percent = 100 * matrix / np.maximum(support, 1)

    # The canvas is made explicitly: pyplot would keep global state and might look for a display.
    side = 2.5 + 0.95 * len(classes)
    figure = Figure(figsize=(side, side * 0.87), layout='constrained')
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    image = axes.imshow(percent, cmap='Blues', vmin=0, vmax=100)
    for row, column in np.ndindex(matrix.shape):
        axes.text(
            column,
            row,
            f'{percent[row, column]:.1f} %\n{matrix[row, column]:d}',
            ha='center',
            va='center',
            color='white' if percent[row, column] > 60 else 'black',
        )
    ticks = range(len(classes))
    axes.set_xticks(ticks, classes, rotation=30, ha='right', rotation_mode='anchor')
    axes.set_yticks(
        ticks, [f'{name} ({count})' for name, count in zip(classes, support[:, 0], strict=True)]
    )
    axes.set(xlabel='predicted', ylabel='true (number of images)', title=title)
    figure.colorbar(image, ax=axes, label='% of the true class', shrink=0.8)
    return figure
