# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .figures import FAINT, PALETTE, new_figure

_GIB = 2**30


@dataclass(frozen=True)
class Cost:
    """What one model costs in one place.

    Attributes:
        name: The model.
        batch_size: Pictures at once.
        size: Side of the pictures, pixels.
        memory: Peak of a training step, bytes.
        seconds: Of an inference call, median.
    """

    name: str
    batch_size: int
    size: int
    memory: int
    seconds: float


def draw_cost_growth(costs: Sequence[Cost]) -> Figure:
    """Draw training memory and inference time of models, over the batch and over the picture.

    Over the batch the picture size of the first cost is taken, over the picture the largest batch.

    Args:
        costs: At least one, of as many models as there are colours (8) at most.

    Raises:
        ValueError: There are too many models.
    """
    models = len({cost.name for cost in costs})
    if models > len(PALETTE):
        raise ValueError(f'{models} models in one figure, at most {len(PALETTE)} are legible')
    size = costs[0].size
    batch_size = max(cost.batch_size for cost in costs)
    over_batch = [cost for cost in costs if cost.size == size]
    over_size = [cost for cost in costs if cost.batch_size == batch_size]
    batch_label = f'pictures a batch, {size}x{size} pixels'
    size_label = f'side of the picture, pixels (batch {batch_size})'
    figure = new_figure(9, 6)
    axes = figure.subplots(2, 2)
    memory, time = 'training memory at its peak, GiB', 'inference, seconds a batch'
    _draw(axes[0, 0], over_batch, _batch, _memory, batch_label, memory)
    _draw(axes[0, 1], over_size, _size, _memory, size_label, memory)
    _draw(axes[1, 0], over_batch, _batch, _seconds, batch_label, time)
    _draw(axes[1, 1], over_size, _size, _seconds, size_label, time)
    axes[0, 0].legend(frameon=False)
    return figure


def _batch(cost: Cost) -> int:
    return cost.batch_size


def _size(cost: Cost) -> int:
    return cost.size


def _memory(cost: Cost) -> float:
    return cost.memory / _GIB


def _seconds(cost: Cost) -> float:
    return cost.seconds


def _draw(
    axes: Axes,
    costs: Sequence[Cost],
    x: Callable[[Cost], float],
    y: Callable[[Cost], float],
    x_label: str,
    y_label: str,
) -> None:
    """One line a model, from the origin of the vertical axis."""
    for colour, name in zip(PALETTE, dict.fromkeys(cost.name for cost in costs), strict=False):
        points = sorted((x(cost), y(cost)) for cost in costs if cost.name == name)
        axes.plot(*zip(*points, strict=True), marker='o', color=colour, label=name)
    axes.set_xticks(sorted({x(cost) for cost in costs}))
    axes.set_ylim(0, 1.08 * max(y(cost) for cost in costs))
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    axes.grid(color=FAINT, alpha=0.3)
    axes.spines[['top', 'right']].set_visible(False)
