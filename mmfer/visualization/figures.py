# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Colours and figures that all plots share."""

import io
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from mmfer.utils.atomic_file import atomic_write

INK = '#262626'
FAINT = '#9a9a9a'

#: Colours that are told apart with every common colour blindness (Okabe and Ito, 2008), the ones
#: that read best on white first.
PALETTE = ('#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#000000', '#f0e442')


def new_figure(width: float, height: float, dpi: int = 150) -> Figure:
    """A figure of so many inches that belongs to no window and no global state."""
    figure = Figure(figsize=(width, height), dpi=dpi, layout='constrained')
    FigureCanvasAgg(figure)
    return figure


def luminance(colour) -> float:
    """Relative luminance of anything that matplotlib takes for a colour, from 0 to 1 (WCAG 2.1)."""
    rgb = np.array(to_rgb(colour))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))


def text_colour(background) -> str:
    """White or :data:`INK`, whichever has the larger contrast ratio to a background (WCAG 2.1)."""
    here, ink = luminance(background), luminance(INK)
    return 'white' if 1.05 / (here + 0.05) > (here + 0.05) / (ink + 0.05) else INK


def save_figure(figure: Figure, path: str | Path, dpi: float | None = None) -> None:
    """Write a figure; the suffix says what kind of file (.png, .pdf, .svg, ...).

    Args:
        figure: What is written.
        path: The file.
        dpi: Resolution, pixels an inch. Default: the figure's own.

    Raises:
        ValueError: Figures cannot be written as such a file.
    """
    suffix = Path(path).suffix.lstrip('.').lower()
    allowed = figure.canvas.get_supported_filetypes()
    if suffix not in allowed:
        raise ValueError(f'{path}: the name must end in one of .{", .".join(sorted(allowed))}')
    buffer = io.BytesIO()
    figure.savefig(buffer, format=suffix, dpi=dpi)
    atomic_write(path, buffer.getvalue())
