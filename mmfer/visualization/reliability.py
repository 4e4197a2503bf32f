# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from mmfer.evaluation.functional.calibration import Reliability

from .figures import FAINT, INK, PALETTE, new_figure, tidy


def draw_reliability(panels: Mapping[str, Reliability], title: str = '') -> Figure:
    """Draw accuracy over confidence, and below it the share of images with that confidence.

    Args:
        panels (Mapping[str, Reliability]): Name, such as ``'as trained'`` or ``'calibrated'`` ->
            panel, side by side.
        title (str): Title. Defaults to none.

    Returns:
        A figure without a window.
    """
    figure = new_figure(3.4 * len(panels), 4.6)
    rows = figure.subplots(
        2, len(panels), squeeze=False, sharex=True, sharey='row', height_ratios=(3, 1)
    )
    for upper, lower, (name, found) in zip(*rows, panels.items(), strict=True):
        bins = len(found.counts)
        middles = 100 * (np.arange(bins) + 0.5) / bins
        width = 100 / bins
        upper.plot([0, 100], [0, 100], color=FAINT, linewidth=1, linestyle='--')
        accuracy = 100 * found.accuracy.numpy()
        bars = dict(width=0.92 * width, color=PALETTE[0])
        upper.bar(middles, np.nan_to_num(accuracy), **bars, label='accuracy')
        # At the mean confidence of a bin, not its center: the calibration error is the distance.
        confidence = 100 * found.confidence.numpy()
        upper.plot(middles, confidence, '_', color=PALETTE[1], ms=9, mew=2, label='mean confidence')
        upper.set(xlim=(0, 100), ylim=(0, 102))
        upper.set_title(f'{name}: ECE {found.error:.1f} %', fontsize=10, color=INK)
        share = 100 * found.counts.numpy() / found.counts.sum().item()
        lower.bar(middles, share, **dict(bars, color=FAINT))
        lower.set_xlabel('confidence (%)')
        tidy(upper)
        tidy(lower)
    rows[0, 0].set_ylabel('accuracy (%)')
    handles, names = rows[0, 0].get_legend_handles_labels()
    figure.legend(handles, names, loc='outside lower center', ncols=2, fontsize=8, frameon=False)
    rows[1, 0].set_ylabel('images (%)')
    if title:
        figure.suptitle(title, fontsize=11, color=INK)
    return figure
