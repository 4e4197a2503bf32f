# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from mmfer.evaluation.functional.verification import RocCurve

from .figures import FAINT, check_legible, line_style, new_figure, tidy


def draw_roc(
    curves: Mapping[str, RocCurve], fars: Sequence[float] = (0.001,), title: str = ''
) -> Figure:
    """Draw the true over the false acceptance rate, with a logarithmic axis of the latter.

    Args:
        curves (Mapping[str, RocCurve]): Name -> curve, at most 8, the number of colors.
        fars (Sequence[float]): False acceptance rates at which the true acceptance rates are marked
            and printed. Defaults to 0.001.
        title (str): Title. Defaults to none.

    Returns:
        A figure without a window.

    Raises:
        ValueError: There are no curves, or too many.
    """
    check_legible(len(curves), 'ROC curves')
    figure = new_figure(6, 4.6 + 0.4 * len(curves))
    axes = figure.subplots()
    # The lowest rate above 0 is one false acceptance: below that the axis would be empty.
    lowest = min(min(fars) / 3, *(1 / curve.num_different for curve in curves.values()))
    for far in fars:
        axes.axvline(far, color=FAINT, linewidth=0.8, linestyle=':')
    for index, (name, curve) in enumerate(curves.items()):
        style = line_style(index)
        marks = [curve.tar_at(far) for far in fars]
        rates = ', '.join(
            f'{100 * tar:.1f} % at FAR {_percent(far)}'
            for far, tar in zip(fars, marks, strict=True)
        )
        # Points with a false acceptance rate of 0 are drawn at the left edge.
        axes.plot(
            np.maximum(curve.far, lowest),
            100 * curve.tar,
            **style,
            label=f'{name}\nTAR {rates}; AUC {curve.auc:.4f}, EER {100 * curve.eer:.1f} %',
        )
        axes.plot(fars, [100 * tar for tar in marks], 'o', color=style['color'], markersize=6)
    chance = np.geomspace(lowest, 1, 200)
    axes.plot(chance, 100 * chance, color=FAINT, linewidth=1, label='chance')
    axes.set_xscale('log')
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _percent(value)))
    pairs = next(iter(curves.values()))
    axes.set(
        xlim=(lowest, 1),
        ylim=(0, 102),
        xlabel=f'false acceptance rate, of {pairs.num_different:,} pairs of two people',
        ylabel=f'true acceptance rate (%), of {pairs.num_same:,} pairs of one person',
        title=title,
    )
    tidy(axes)
    figure.legend(loc='outside lower center', fontsize=8, frameon=False, alignment='left')
    return figure


def _percent(rate: float) -> str:
    return f'{100 * rate:g} %'
