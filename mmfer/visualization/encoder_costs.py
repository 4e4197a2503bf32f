# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""What an ensemble of encoders costs, and one encoder with a KT-Adapter: the paper's Figure 2."""

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .figures import INK, PALETTE, check_legible, new_panels, tidy

_MAX_ENCODERS = 4


@dataclass(frozen=True)
class EncoderCost:
    """What one image costs in inference.

    Attributes:
        name (str): The encoder.
        kept (int): How many encoders of its kind see the image.
        adapter (bool): Whether a KT-Adapter follows, which takes the others' place.
        gflops (float): Multiply-accumulates, in 10^9 (the papers' "GFLOPs").
        params_m (float): Parameters, in 10^6.
        seconds (float): Time, median.
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

    Each encoder has a column of its own scale. The last bar is one encoder with the adapter. A bar
    is marked with its height, and with how many times that of one encoder this is.

    Args:
        costs (Sequence[EncoderCost]): Of at most four encoders.
        title (str): Headline. Defaults to none.

    Returns:
        A figure that belongs to no window.

    Raises:
        ValueError: There are no costs, or those of too many encoders.
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
    """Three digits, or all before the point."""
    return f'{value:.0f}' if value >= 100 else f'{value:.3g}'
