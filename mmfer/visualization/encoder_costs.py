# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Draw the cost of an ensemble of encoders and of one encoder with a KT-Adapter (Figure 2)."""

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .figures import INK, PALETTE, check_legible, new_panels, tidy

_MAX_ENCODERS = 4


@dataclass(frozen=True)
class EncoderCost:
    """Cost of inference per image.

    Attributes:
        name (str): The encoder.
        kept (int): Number of encoders of this type that run on the image.
        adapter (bool): Whether a KT-Adapter follows, which replaces the other encoders.
        gflops (float): Multiply-accumulates, in 10^9 ("GFLOPs" in the papers).
        params_m (float): Parameters, in 10^6.
        seconds (float): Median time.
    """

    name: str
    kept: int
    adapter: bool
    gflops: float
    params_m: float
    seconds: float

    def __str__(self) -> str:
        what = 'encoder + adapter' if self.adapter else f'{self.kept} encoder(s)'
        return (
            f'{self.name}, {what}: {1e3 * self.gflops:.1f} MFLOPs, {self.params_m:.2f} M '
            f'parameters, {1e3 * self.seconds:.1f} ms'
        )


def draw_encoder_costs(costs: Sequence[EncoderCost], title: str = '') -> Figure:
    """Draw computation (above) and time (below) over the number of encoders kept.

    Each encoder has its own column with its own scale. The last bar is one encoder with the
    adapter. The label of a bar is its height, and its ratio to the bar of one encoder.

    Args:
        costs (Sequence[EncoderCost]): Costs of at most four encoders.
        title (str): Title. Defaults to none.

    Returns:
        A figure without a window.

    Raises:
        ValueError: There are no costs, or too many encoders.
    """
    names = list(dict.fromkeys(cost.name for cost in costs))
    check_legible(len(names), 'encoders', _MAX_ENCODERS)
    figure, panels = new_panels(2 * len(names), len(names), (3.3, 2.7), title=title)
    for column, name in enumerate(names):
        of_name = [cost for cost in costs if cost.name == name]
        of_name.sort(key=lambda cost: (cost.adapter, cost.kept))
        above, below = panels[column], panels[column + len(names)]
        _draw(above, of_name, [cost.gflops for cost in of_name])
        _draw(below, of_name, [cost.seconds * 1e3 for cost in of_name])
        above.set_title(name)
        below.set_xlabel('encoders that see the image')
    panels[0].set_ylabel('GFLOPs per image')
    panels[len(names)].set_ylabel('ms per image')
    return figure


def _draw(axes: Axes, costs: Sequence[EncoderCost], heights: Sequence[float]) -> None:
    colors = [PALETTE[1] if cost.adapter else PALETTE[0] for cost in costs]
    bars = axes.bar(range(len(costs)), heights, 0.7, color=colors)
    labels = [f'{_short(height)}\nx{height / heights[0]:.2f}' for height in heights]
    axes.bar_label(bars, labels, padding=2, fontsize=8, color=INK)
    ticks = [f'{cost.kept} +\nadapter' if cost.adapter else str(cost.kept) for cost in costs]
    axes.set_xticks(range(len(costs)), ticks)
    axes.tick_params(axis='x', length=0)
    axes.set_ylim(0, 1.22 * max(heights))
    tidy(axes, grid='y')


def _short(value: float) -> str:
    """Format with three significant digits, or as an integer from 100 on."""
    return f'{value:.0f}' if value >= 100 else f'{value:.3g}'
