# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Colors, panels and files of all figures."""

import io
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from mmfer.utils.atomic_file import atomic_write

INK = '#262626'
FAINT = '#9a9a9a'

#: Colors that are distinguishable with all common types of color blindness (Okabe and Ito, 2008),
#: those with the best contrast to white first.
PALETTE = ('#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#000000', '#f0e442')

_LINE_STYLES = ('-', '--', '-.', ':')


def new_figure(width: float, height: float, dpi: int = 150) -> Figure:
    """Return a figure of this size, in inches, without a window and without pyplot's state."""
    figure = Figure(figsize=(width, height), dpi=dpi, layout='constrained')
    FigureCanvasAgg(figure)
    return figure


def new_panels(
    num: int,
    per_row: int,
    size: tuple[float, float],
    extra: tuple[float, float] = (0, 0),
    title: str = '',
) -> tuple[Figure, list[Axes]]:
    """Return a figure with panels of one size, row by row.

    Args:
        num (int): Number of panels.
        per_row (int): Most panels per row.
        size (tuple[float, float]): Width and height of a panel, inches.
        extra (tuple[float, float]): Additional width and height of the figure, inches. Defaults to
            none.
        title (str): Title. Defaults to none.

    Returns:
        The figure and its panels. The rest of the last row is empty.
    """
    columns = min(per_row, num)
    rows = -(-num // columns)
    figure = new_figure(columns * size[0] + extra[0], rows * size[1] + extra[1])
    panels = figure.subplots(rows, columns, squeeze=False).ravel().tolist()
    for panel in panels[num:]:
        panel.axis('off')
    if title:
        figure.suptitle(title, fontsize=11, color=INK)
    return figure, panels[:num]


def tidy(axes: Axes, grid: str = 'both') -> None:
    """Remove the top and right sides of the frame, and draw a faint grid in the background.

    Args:
        axes (Axes): The axes to change.
        grid (str): Axis of the grid lines: ``'x'``, ``'y'`` or ``'both'``. Defaults to ``'both'``.
    """
    axes.spines[['top', 'right']].set_visible(False)
    axes.set_axisbelow(True)
    axes.grid(True, axis=grid, color=FAINT, alpha=0.25, linewidth=0.6)


def show_image(
    axes: Axes, image: np.ndarray, caption: str = '', color: str = INK, fontsize: float = 7
) -> None:
    """Show an RGB image ``(H, W, 3)`` in a faint frame, with a caption below."""
    height, width = image.shape[:2]
    axes.imshow(image, interpolation='nearest')
    # Fixed limits, so that drawing on the image does not shrink it.
    axes.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5), xticks=[], yticks=[])
    axes.spines[:].set_color(FAINT)
    axes.set_xlabel(caption, fontsize=fontsize, color=color, labelpad=2)


def line_style(index: int) -> dict:
    """Return the line style of a model or a run: both its color and its dashes are unique."""
    return dict(color=PALETTE[index], linestyle=_LINE_STYLES[index % 4], linewidth=1.7)


def check_legible(num: int, what: str, most: int = len(PALETTE)) -> None:
    """Check that there are 1 to ``most`` of something in a figure, else raise a ValueError."""
    if not 1 <= num <= most:
        raise ValueError(f'{num} {what} in one figure; 1 to {most} are legible')


def luminance(color) -> float:
    """Return the relative luminance of a matplotlib color, 0 to 1 (WCAG 2.1)."""
    rgb = np.array(to_rgb(color))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))


def text_color(background) -> str:
    """Return white or :data:`INK`, whichever has the larger contrast to a background (WCAG 2.1)."""
    here, ink = luminance(background), luminance(INK)
    return 'white' if 1.05 / (here + 0.05) > (here + 0.05) / (ink + 0.05) else INK


def figure_format(path: str | Path) -> str:
    """Return the format of a figure's file, its suffix in lower case without the dot.

    Raises:
        ValueError: Figures cannot be written in this format.
    """
    suffix = Path(path).suffix.lstrip('.').lower()
    allowed = FigureCanvasAgg.get_supported_filetypes()
    if suffix not in allowed:
        raise ValueError(f'{path}: the name must end in one of .{", .".join(sorted(allowed))}')
    return suffix


def save_figure(figure: Figure, path: str | Path, dpi: float | None = None) -> None:
    """Write a figure; its format depends on the suffix (.png, .pdf, .svg, ...).

    Args:
        figure (Figure): The figure.
        path (str | Path): The file.
        dpi (float, optional): Resolution, pixels per inch. Defaults to that of the figure.

    Raises:
        ValueError: Figures cannot be written in this format.
    """
    buffer = io.BytesIO()
    figure.savefig(buffer, format=figure_format(path), dpi=dpi)
    atomic_write(path, buffer.getvalue())
