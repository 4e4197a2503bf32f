# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Draw a table of numbers as a heat map (APViT's Figure 5, accuracy over ``k`` and ``r``)."""

from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from .figures import FAINT, new_figure, text_color

# Perceptually uniform, and nearly the same with color blindness.
_COLORS = 'cividis'
_NOT_RUN = '#e8e8e8'
_CELL = (1.0, 0.62)  # inches


def draw_heat_map(
    values: np.ndarray,
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    title: str = '',
    row_title: str = '',
    column_title: str = '',
    label: str = '',
    published: np.ndarray | None = None,
    digits: int = 2,
) -> Figure:
    """Draw a table of numbers in cells whose colors show the values.

    Args:
        values (np.ndarray): Numbers ``(R, C)``. Cells with NaN were not run: they are gray and
            hatched, with a dash.
        rows (Sequence[str]): Names of the ``R`` rows, from the top.
        columns (Sequence[str]): Names of the ``C`` columns.
        title (str): Title. Defaults to none.
        row_title (str): Label of the rows, such as ``'keep number k'``. Defaults to none.
        column_title (str): Label of the columns. Defaults to none.
        label (str): Label of the color bar: the quantity and its unit. Defaults to none.
        published (np.ndarray, optional): Numbers ``(R, C)`` to compare with, in small print below
            the measured ones; they do not affect the colors. NaN if unknown. Defaults to none.
        digits (int): Decimal places. Defaults to 2.

    Returns:
        A figure without a window.

    Raises:
        ValueError: A table does not have the shape ``(R, C)``, or it has no cells.
    """
    values = _table('values', values, rows, columns)
    if published is None:
        published = np.full(values.shape, np.nan)
    published = _table('published', published, rows, columns)

    run = np.isfinite(values)
    scale, colors = _scale(values[run]), colormaps[_COLORS].with_extremes(bad=_NOT_RUN)
    figure = new_figure(1.9 + _CELL[0] * len(columns), 1.2 + _CELL[1] * len(rows))
    axes = figure.add_subplot()
    corners = [np.arange(length + 1) - 0.5 for length in (len(columns), len(rows))]
    cells = axes.pcolormesh(
        *corners, values, cmap=colors, norm=scale, edgecolors='white', linewidth=1.5
    )
    for row, column in np.argwhere(~run):
        _hatch(axes, row, column)
    for row, column in np.ndindex(values.shape):
        known = np.isfinite(published[row, column])
        ink = text_color(colors(scale(values[row, column])))
        number = f'{values[row, column]:.{digits}f}' if run[row, column] else '–'
        axes.text(
            column, row - 0.14 * known, number, ha='center', va='center', color=ink, fontsize=11
        )
        if known:
            paper = f'paper {published[row, column]:.{digits}f}'
            axes.text(column, row + 0.24, paper, ha='center', va='center', color=ink, fontsize=7.5)
    axes.set(xlabel=column_title, ylabel=row_title)
    axes.invert_yaxis()
    axes.set_title(title, fontsize=11)
    axes.set_xticks(range(len(columns)), columns)
    axes.set_yticks(range(len(rows)), rows)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    if run.any():
        bar = figure.colorbar(cells, ax=axes, label=label, pad=0.02)
        bar.outline.set_visible(False)
    return figure


def _table(name: str, table: np.ndarray, rows: Sequence[str], columns: Sequence[str]) -> np.ndarray:
    table = np.asarray(table, float)
    wanted = (len(rows), len(columns))
    if table.shape != wanted or not table.size:
        raise ValueError(
            f'{name} of a heat map with {wanted[0]} rows and {wanted[1]} columns have the shape '
            f'{table.shape}; it must be {wanted}, with at least one row and one column'
        )
    return table


def _scale(values: np.ndarray) -> Normalize:
    """Return a scale over the values; a single value has the middle color."""
    if not values.size:
        return Normalize(0, 1)
    low, high = float(values.min()), float(values.max())
    margin = 0.5 if low == high else 0
    return Normalize(low - margin, high + margin)


def _hatch(axes: Axes, row: int, column: int) -> None:
    """Hatch a cell, faint enough to read the dash on it without a box that would cut the lines."""
    style = dict(facecolor='none', edgecolor=FAINT, alpha=0.45, hatch='///', linewidth=0)
    axes.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, **style))
