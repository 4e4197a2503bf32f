# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .figures import PALETTE, check_legible, new_figure, tidy

_GIB = 2**30


@dataclass(frozen=True)
class Cost:
    """Cost of one model at one batch size and image size.

    Attributes:
        name (str): The model.
        batch_size (int): Images per batch.
        size (int): Side of the images, pixels.
        memory (int): Peak memory of a training step, bytes.
        seconds (float): Median time of inference per batch.
    """

    name: str
    batch_size: int
    size: int
    memory: int
    seconds: float

    def __str__(self) -> str:
        return (
            f'{self.name}, batch {self.batch_size}, {self.size}x{self.size}: '
            f'{self.memory / 2**20:.0f} MiB, {self.seconds * 1e3:.1f} ms'
        )


def draw_cost_growth(costs: Sequence[Cost]) -> Figure:
    """Draw training memory and inference time of models over the batch size and the image size.

    Over the batch size, costs at the image size of the first cost are drawn; over the image size,
    those at the largest batch size.

    Args:
        costs (Sequence[Cost]): At least one, of at most 8 models, the number of colors.

    Raises:
        ValueError: There are too many models.
    """
    check_legible(len({cost.name for cost in costs}), 'models')
    size = costs[0].size
    batch_size = max(cost.batch_size for cost in costs)
    over_batch = [cost for cost in costs if cost.size == size]
    over_size = [cost for cost in costs if cost.batch_size == batch_size]
    batch_label = f'images per batch, {size}x{size} pixels'
    size_label = f'side of the image, pixels (batch {batch_size})'
    figure = new_figure(9, 6)
    axes = figure.subplots(2, 2)
    for row, (quantity, unit, label) in enumerate(
        (
            ('memory', _GIB, 'peak training memory, GiB'),
            ('seconds', 1, 'inference, seconds per batch'),
        )
    ):
        _draw(axes[row, 0], over_batch, 'batch_size', batch_label, quantity, unit, label)
        _draw(axes[row, 1], over_size, 'size', size_label, quantity, unit, label)
    axes[0, 0].legend(frameon=False)
    return figure


def _draw(
    axes: Axes,
    costs: Sequence[Cost],
    x: str,
    x_label: str,
    y: str,
    unit: float,
    y_label: str,
) -> None:
    """Draw one line per model, with a vertical axis from 0; ``x`` and ``y`` are field names."""
    points = [(cost.name, getattr(cost, x), getattr(cost, y) / unit) for cost in costs]
    for color, name in zip(PALETTE, dict.fromkeys(cost.name for cost in costs), strict=False):
        line = sorted((x, y) for model, x, y in points if model == name)
        axes.plot(*zip(*line, strict=True), marker='o', color=color, label=name)
    axes.set_xticks(sorted({x for _, x, _ in points}))
    axes.set_ylim(0, 1.08 * max(y for _, _, y in points))
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    tidy(axes)
