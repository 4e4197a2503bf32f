# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Draw losses, metrics and learning rates during one or several trainings."""

from collections.abc import Mapping, Sequence
from functools import reduce
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from .figures import PALETTE, check_legible, line_style, new_panels, tidy

_PER_ROW = 3
# Parts of the names of training values that are noisy from batch to batch.
_NOISY = ('loss', 'grad_norm', 'time')


class Curve(NamedTuple):
    """The logged values of one quantity.

    Attributes:
        part (str): ``'training'`` or ``'validation'``.
        unit (str): Unit of the steps: ``'epoch'`` or ``'iteration'``.
        steps (np.ndarray): ``(N,)`` int, ascending.
        values (np.ndarray): ``(N,)`` float.
    """

    part: str
    unit: str
    steps: np.ndarray
    values: np.ndarray


#: Quantity -> curve: the log of one training.
Log = Mapping[str, Curve]


def running_mean(values: np.ndarray, window: int) -> np.ndarray:
    """Return the centered running mean ``(N,)`` of values; windows are cut off at the ends.

    Args:
        values (np.ndarray): The logged values ``(N,)``.
        window (int): Number of values to average, odd; 1 changes nothing.
    """
    half = window // 2
    return np.array([values[max(i - half, 0) : i + half + 1].mean() for i in range(len(values))])


def average(curves: Sequence[Curve]) -> tuple[Curve, np.ndarray, np.ndarray]:
    """Average repetitions at the steps that all of them have.

    Returns:
        The mean, and the smallest and largest values ``(N,)`` at its steps.

    Raises:
        ValueError: The curves have different units or no step in common.
    """
    units = sorted({curve.unit for curve in curves})
    steps = reduce(np.intersect1d, [curve.steps for curve in curves])
    if len(units) > 1 or not len(steps):
        spans = ', '.join(f'{c.steps[0]} to {c.steps[-1]} ({c.unit}s)' for c in curves)
        raise ValueError(f'repetitions need common steps to be averaged; they have {spans}')
    table = np.stack([curve.values[np.isin(curve.steps, steps)] for curve in curves])
    mean = curves[0]._replace(steps=steps, values=table.mean(axis=0))
    return mean, table.min(axis=0), table.max(axis=0)


def draw_learning_curves(
    runs: Mapping[str, Log | Sequence[Log]],
    keys: Sequence[str],
    *,
    smooth: int = 5,
    title: str = '',
) -> Figure:
    """Draw a panel per quantity, with a line per training.

    Args:
        runs (Mapping[str, Log | Sequence[Log]]): Name -> log of one training, or logs of several
            repetitions, such as seeds; these are drawn as their mean, with a band from the smallest
            to the largest value. See :func:`mmfer.analysis.training_logs.read_training_log`. At
            most 8 names.
        keys (Sequence[str]): Quantities. A run without a quantity is omitted from its panel.
        smooth (int): Number of logged values, odd, over which losses, gradient norms and times of
            training are averaged. The panel says so; the original values of single trainings are
            drawn faintly. Defaults to 5; 1 for no smoothing.
        title (str): Title. Defaults to none.

    Returns:
        A figure without a window.

    Raises:
        ValueError: There are no keys; a key was logged by no run or only by some repetitions; a
            panel would mix epochs and iterations; there are too many runs; ``smooth`` is not an odd
            number.
    """
    runs = {name: [run] if isinstance(run, Mapping) else list(run) for name, run in runs.items()}
    check_legible(len(runs), 'runs (several of one setting can be drawn as one line)')
    if smooth < 1 or smooth % 2 == 0:
        raise ValueError(f'smooth must be an odd number of logged values, 1 or more, got {smooth}')
    _check_keys(runs, keys)
    rows = -(-len(keys) // _PER_ROW)
    columns = -(-len(keys) // rows)
    legend = 0.25 * -(-len(runs) // 2)
    figure, panels = new_panels(
        len(keys),
        columns,
        (max(4.4, 5.5 / columns), 3.1),
        (0, legend + 0.3 * bool(title)),
        title,
    )
    for panel, key in zip(panels, keys, strict=True):
        _draw_panel(panel, runs, key, smooth)
    handles = [
        Line2D([], [], **line_style(index), label=_label(name, len(logs)))
        for index, (name, logs) in enumerate(runs.items())
    ]
    figure.legend(
        handles=handles, loc='outside lower center', ncols=min(len(runs), 2), frameon=False
    )
    return figure


def _check_keys(runs: Mapping[str, list[Log]], keys: Sequence[str]) -> None:
    logged = list(dict.fromkeys(key for logs in runs.values() for log in logs for key in log))
    unknown = [key for key in keys if key not in logged]
    if unknown or not keys:
        problem = f'no run has logged {unknown}' if keys else 'there are no keys to draw'
        raise ValueError(f'{problem}; logged keys are {", ".join(logged)}')


def _label(name: str, repetitions: int) -> str:
    return name if repetitions == 1 else f'{name} (mean and range of {repetitions})'


def _is_noisy(key: str, curve: Curve) -> bool:
    return curve.part == 'training' and any(word in key for word in _NOISY)


def _draw_panel(axes, runs: Mapping[str, list[Log]], key: str, smooth: int) -> None:
    units, parts, smoothed = {}, {}, False
    for index, (name, logs) in enumerate(runs.items()):
        curves = [log[key] for log in logs if key in log]
        if not curves:
            continue
        if len(curves) < len(logs):
            raise ValueError(
                f'only {len(curves)} of the {len(logs)} logs of {name!r} have {key}; a mean needs '
                'all of them'
            )
        units.setdefault(curves[0].unit, name)
        parts.setdefault(curves[0].part, name)
        window = smooth if _is_noisy(key, curves[0]) else 1
        smoothed |= window > 1
        if len(curves) == 1 and window > 1:
            axes.plot(
                curves[0].steps, curves[0].values, color=PALETTE[index], linewidth=0.8, alpha=0.3
            )
        curves = [c._replace(values=running_mean(c.values, window)) for c in curves]
        mean, low, high = average(curves)
        if len(curves) > 1:
            axes.fill_between(mean.steps, low, high, color=PALETTE[index], alpha=0.2, linewidth=0)
        # Validations have markers, as they are single steps; lines only guide the eye.
        marker = dict(marker='o', markersize=3.5) if mean.part == 'validation' else {}
        axes.plot(mean.steps, mean.values, **line_style(index), **marker, label=name)
    if len(units) > 1:
        names = ', '.join(f'{name!r} in {unit}s' for unit, name in units.items())
        raise ValueError(f'{key} was logged by {names}: they cannot share a panel')
    label = f'{key} ({" and ".join(parts)})'
    if smoothed:
        label += f'\nmean of {smooth} logged values'
    axes.set_title(label, fontsize=10)
    axes.set(xlabel=next(iter(units)))
    axes.ticklabel_format(axis='y', scilimits=(-3, 5))
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    tidy(axes)
