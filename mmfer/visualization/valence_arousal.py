# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle

from mmfer.evaluation.functional.concordance import concordance_correlation
from mmfer.utils.plural import plural

from .figures import FAINT, INK, PALETTE, new_panels

_LIMITS = (-1.05, 1.05)
_TICKS = (-1, -0.5, 0, 0.5, 1)
_POINTS = dict(s=8, alpha=0.5, linewidths=0)


def draw_valence_arousal(true: np.ndarray, pred: np.ndarray, title: str = '') -> Figure:
    """Draw predicted over true valence and arousal, and all faces on the circumplex.

    Args:
        true (np.ndarray): True valence and arousal ``(N, 2)``, -1 to 1.
        pred (np.ndarray): Predicted valence and arousal ``(N, 2)``.
        title (str): Title. Defaults to none.

    Returns:
        A figure without a window.

    Raises:
        ValueError: There are no faces, or the shapes are wrong.
    """
    true, pred = np.asarray(true, float), np.asarray(pred, float)
    if true.shape != pred.shape or true.ndim != 2 or true.shape[1] != 2 or not len(true):
        raise ValueError(
            'draw_valence_arousal needs valence and arousal of one face or more, (N, 2), got '
            f'{true.shape} and {pred.shape}'
        )
    extra = (0, 0.2) if title else (0, 0)
    figure, (*scatters, circumplex) = new_panels(3, 3, (3.6, 3.6), extra, title)
    for axes, name, column in zip(scatters, ('valence', 'arousal'), (0, 1), strict=True):
        _draw_scatter(axes, name, true[:, column], pred[:, column])
    _draw_circumplex(circumplex, true, pred)
    return figure


def _set_square(axes: Axes, x: str, y: str, title: str) -> None:
    axes.set(xlim=_LIMITS, ylim=_LIMITS, aspect='equal', xlabel=x, ylabel=y)
    axes.set(xticks=_TICKS, yticks=_TICKS)
    axes.set_title(title, fontsize=10, color=INK)
    axes.axhline(0, color=FAINT, linewidth=0.6, zorder=0)
    axes.axvline(0, color=FAINT, linewidth=0.6, zorder=0)


def _draw_scatter(axes: Axes, name: str, true: np.ndarray, pred: np.ndarray) -> None:
    title = f'{name}: CCC {concordance_correlation(true, pred):.3f}'
    _set_square(axes, f'true {name}', f'predicted {name}', title)
    axes.plot(_LIMITS, _LIMITS, color=INK, linewidth=1, label='predicted = true')
    axes.scatter(true, pred, color=PALETTE[0], **_POINTS)
    axes.legend(loc='upper left', frameon=False, fontsize=8)


def _draw_circumplex(axes: Axes, true: np.ndarray, pred: np.ndarray) -> None:
    noun = plural(len(true), 'face')
    _set_square(axes, 'valence', 'arousal', f'circumplex: {len(true)} {noun}')
    axes.add_patch(Circle((0, 0), 1, fill=False, color=FAINT, linewidth=1))
    for places, color, name in ((true, PALETTE[1], 'true'), (pred, PALETTE[0], 'predicted')):
        axes.scatter(*places.T, color=color, label=name, **_POINTS)
    # With a background: the corner is the emptiest place, but not always empty.
    axes.legend(loc='lower right', edgecolor='none', fontsize=8, markerscale=2)
