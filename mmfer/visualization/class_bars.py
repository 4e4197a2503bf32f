# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Draw the accuracy per class of several models side by side."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from .figures import FAINT, INK, PALETTE, check_legible, new_figure, tidy

#: The entry that is drawn separately, on the right.
MEAN = 'mean'
_MAX_SERIES = 4
_BAR, _GAP = 0.24, 0.28  # inches
_NAME = 0.85  # inches, for the name of a class


def draw_class_bars(
    series: Mapping[str, Mapping[str, float]],
    *,
    spreads: Mapping[str, Mapping[str, float]] | None = None,
    title: str = '',
) -> Figure:
    """Draw grouped bars: one group per class, and one for the mean of the classes on the right.

    Args:
        series (Mapping[str, Mapping[str, float]]): Name of a model -> class -> accuracy in percent.
            Classes are drawn in the order of their first appearance. A missing class or NaN leaves
            a gap. The mean is the entry ``'mean'`` of a model, or else the mean of its classes.
        spreads (Mapping[str, Mapping[str, float]], optional): Name of a model -> class (or
            ``'mean'``) -> half the length of an error bar, in percentage points. Defaults to no
            error bars.
        title (str): Title. Defaults to none.

    Returns:
        A figure without a window.

    Raises:
        ValueError: There is no model, no class, more than 4 models, or a value outside 0 to 100.
    """
    check_legible(len(series), 'models', _MAX_SERIES)
    classes = list(dict.fromkeys(name for row in series.values() for name in row if name != MEAN))
    if not classes:
        raise ValueError(f'there are no classes to draw for {list(series)}')
    groups = [*classes, MEAN]
    places = np.arange(len(groups), dtype=float)
    places[-1] += 0.25  # apart from the classes
    group = max(_BAR * len(series) + _GAP, _NAME)
    bar = (1 - _GAP / group) / len(series)
    figure = new_figure(max(1.0 + group * (places[-1] + 1), 4), 3.9)
    axes = figure.add_subplot()
    highest = 100.0
    for index, (name, row) in enumerate(series.items()):
        heights = _heights(name, row, groups)
        spread = (spreads or {}).get(name, {})
        errors = np.array([spread.get(group, np.nan) for group in groups], float)
        shift = (index - (len(series) - 1) / 2) * bar
        bars = axes.bar(
            places + shift,
            heights,
            0.92 * bar,
            color=PALETTE[index],
            label=name,
            yerr=errors if np.isfinite(errors).any() else None,
            error_kw=dict(ecolor=INK, elinewidth=1, capsize=2),
        )
        # Rotated, so that the labels of neighbors do not overlap.
        axes.bar_label(bars, fmt='%.1f', padding=3, rotation=90, fontsize=8, color=INK)
        highest = max(highest, np.nanmax(heights + np.nan_to_num(errors), initial=0))
    axes.axvline((places[-2] + places[-1]) / 2, color=FAINT, linewidth=0.8, linestyle=':')
    axes.set(ylim=(0, highest + 16), ylabel='accuracy (%)')
    axes.set_title(title, fontsize=11)
    axes.set_yticks(range(0, 101, 20))
    axes.set_xticks(places, [*classes, 'mean of\nclasses'])
    axes.tick_params(axis='x', length=0)
    axes.set_xlim(-0.5, places[-1] + 0.5)
    tidy(axes, grid='y')
    figure.legend(loc='outside lower center', ncols=2, frameon=False)
    return figure


def _heights(name: str, row: Mapping[str, float], groups: list[str]) -> np.ndarray:
    """Return accuracies in the order of the groups; NaN for missing ones."""
    classes = np.array([row.get(group, np.nan) for group in groups[:-1]], float)
    known = classes[np.isfinite(classes)]
    mean = row.get(MEAN, known.mean() if known.size else np.nan)
    heights = np.append(classes, mean)
    wrong = [
        f'{group} {height:g}'
        for group, height in zip(groups, heights, strict=True)
        if height < 0 or height > 100
    ]
    if wrong:
        raise ValueError(
            f'accuracies of {name!r} must be in percent, 0 to 100; got {", ".join(wrong)}'
        )
    return heights
