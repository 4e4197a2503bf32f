# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import numpy as np
from matplotlib.figure import Figure

from mmfer.evaluation.functional.ages import cumulative_score

from .figures import INK, PALETTE, new_figure, tidy

_DECADE = 10


def draw_ages(true: np.ndarray, pred: np.ndarray, theta: float = 5.0, title: str = '') -> Figure:
    """Draw predicted over true ages, and below it the mean error per decade of life.

    Args:
        true (np.ndarray): Ages ``(N,)`` in years.
        pred (np.ndarray): Ages ``(N,)`` in years.
        theta (float): Half the height of the band around the diagonal, and the tolerance of the
            cumulative score, in years. Defaults to 5.
        title (str): First line of the title. Defaults to none.

    Returns:
        A figure without a window.
    """
    true, pred = np.asarray(true, float), np.asarray(pred, float)
    errors = np.abs(pred - true)
    figure = new_figure(6, 7.6)
    scatter, bars = figure.subplots(2, 1, height_ratios=(3, 1))

    low, high = _limits(np.concatenate([true, pred]))
    scatter.fill_between(
        [low, high],
        [low - theta, high - theta],
        [low + theta, high + theta],
        color=PALETTE[5],
        alpha=0.3,
        linewidth=0,
        label=f'off by at most {theta:g} years',
    )
    scatter.plot([low, high], [low, high], color=INK, linewidth=1, label='predicted = true')
    scatter.scatter(
        true, pred, s=14, color=PALETTE[0], alpha=0.55, linewidths=0, label=f'{len(true)} faces'
    )
    scatter.set(
        xlim=(low, high),
        ylim=(low, high),
        aspect='equal',
        xlabel='true age (years)',
        ylabel='predicted age (years)',
    )
    summary = f'MAE {errors.mean():.2f} years, CS@{theta:g} {cumulative_score(errors, theta):.1f} %'
    scatter.set_title('\n'.join(filter(None, [title, summary])))
    scatter.legend(loc='upper left', frameon=False)
    _draw_decades(bars, true, errors)
    return figure


def _limits(ages: np.ndarray) -> tuple[float, float]:
    """Return the limits of the decades that contain all ages."""
    low, high = np.floor(ages.min() / _DECADE), np.floor(ages.max() / _DECADE) + 1
    return low * _DECADE, high * _DECADE


def _draw_decades(axes, true: np.ndarray, errors: np.ndarray) -> None:
    """Draw one bar per decade with its mean error, and below it the number of faces."""
    decades = np.floor(true / _DECADE).astype(int)
    present, counts = np.unique(decades, return_counts=True)
    means = [errors[decades == decade].mean() for decade in present]
    axes.bar(present, means, width=0.8, color=PALETTE[0])
    axes.axhline(errors.mean(), color=PALETTE[1], linewidth=1.2, linestyle='--', label='all faces')
    names = [
        f'{decade * _DECADE}-{decade * _DECADE + _DECADE - 1}\n({count})'
        for decade, count in zip(present, counts, strict=True)
    ]
    axes.set_xticks(present, names, fontsize=6)
    axes.legend(loc='upper right', frameon=False, fontsize=8)
    axes.set(
        xlabel='true age (years), and number of faces',
        ylabel='MAE (years)',
        ylim=(0, 1.3 * max(means) or 1),
    )
    tidy(axes, grid='y')
