# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Colours and figures that all plots share."""

import io
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
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


def save_figure(figure: Figure, path: str | Path) -> None:
    """Write a figure; the suffix says what kind of file (.png, .pdf, .svg, ...).

    Raises:
        ValueError: Figures cannot be written as such a file.
    """
    suffix = Path(path).suffix.lstrip('.').lower()
    allowed = figure.canvas.get_supported_filetypes()
    if suffix not in allowed:
        raise ValueError(f'{path}: the name must end in one of .{", .".join(sorted(allowed))}')
    buffer = io.BytesIO()
    figure.savefig(buffer, format=suffix)
    atomic_write(path, buffer.getvalue())
