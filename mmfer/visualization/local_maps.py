# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Draw TransFER's attention maps next to the patches that APP keeps (Figure 1 of the paper)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib import colormaps
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from .attention import COLORS, heated
from .figures import INK, new_panels, show_image
from .pooling import erase_dropped

_INCHES = 1.5  # of an image


@dataclass
class LocalMapRow:
    """One row of the figure: a face.

    Attributes:
        image (np.ndarray): RGB ``(H, W, 3)``, uint8.
        weights (np.ndarray): Weights ``(rows, columns)`` by which TransFER multiplies the patches.
        kept (np.ndarray): Raster positions ``(k,)`` of the patches that APP keeps.
        grid (tuple[int, int]): Rows and columns of APP's patches.
        truth (str, optional): True class, if known.
    """

    image: np.ndarray
    weights: np.ndarray
    kept: np.ndarray
    grid: tuple[int, int]
    truth: str | None = None


def draw_local_maps(rows: Sequence[LocalMapRow], title: str = '') -> Figure:
    """Draw faces, TransFER's attention map on them, and the patches that APP keeps.

    Args:
        rows (Sequence[LocalMapRow]): At least one; all maps have the same scale, from the smallest
            weight to the largest.
        title (str): Title of the figure. Defaults to none.

    Returns:
        A figure without a window.
    """
    figure, panels = new_panels(len(rows) * 3, 3, (_INCHES, _INCHES + 0.2), (1.1, 0.7), title)
    axes = np.reshape(panels, (len(rows), 3))
    values = np.concatenate([row.weights.ravel() for row in rows])
    scale, colors = Normalize(values.min(), values.max()), colormaps[COLORS]
    patches = rows[0].grid[0] * rows[0].grid[1]
    heads = ('input', 'TransFER:\nattention map', f'APP:\nk = {len(rows[0].kept)} of {patches}')
    for axis, head in zip(axes[0], heads, strict=True):
        axis.set_title(head, fontsize=8, color=INK)
    for row, cells in zip(rows, axes, strict=True):
        show_image(cells[0], row.image, row.truth or '')
        show_image(cells[1], heated(row.image, row.weights, scale, colors))
        show_image(cells[2], erase_dropped(row.image, row.kept, row.grid))
    bar = figure.colorbar(
        ScalarMappable(scale, colors), ax=axes, aspect=12 * len(rows), fraction=0.12, pad=0.02
    )
    bar.set_label('weight by which TransFER multiplies a patch', fontsize=8, color=INK)
    bar.ax.tick_params(labelsize=7)
    return figure
