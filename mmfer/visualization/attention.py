# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Draw attention maps before and after pooling (Figure 7 of the paper)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from matplotlib import colormaps
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import Colormap, Normalize
from matplotlib.figure import Figure

from .figures import INK, new_panels, show_image
from .pooling import FADED, PooledFace, caption, erase_dropped, keep_mask, verdict_color

#: Perceptually uniform, also with color blindness.
COLORS = 'viridis'
_OPACITY = 0.6
# Values above this quantile are clipped to the last color, so that they do not darken the rest.
_CLIPPED = 0.95
_INCHES = 1.5
_LEGEND = (
    'White patches were dropped by patch pooling, crossed ones by token pooling; '
    'the outline is around those that the last block sees.'
)


@dataclass(kw_only=True)
class AttendedFace(PooledFace):
    """One face with the relevance of its patches for the prediction.

    Attributes:
        relevance (np.ndarray): Relevance ``(rows, columns)`` of each patch for the input of the
            head, 0 or more. Only ratios matter.
        first (np.ndarray): Raster positions ``(n,)`` of the input patches of the first block.
        last (np.ndarray): Raster positions of the input patches of the last block, which it uses
            before it drops any.
        target (str, optional): The class that the relevance is for; None if it is for no class.
    """

    relevance: np.ndarray
    first: np.ndarray
    last: np.ndarray
    target: str | None = None


@dataclass
class AttentionRow:
    """One row of the figure: a face.

    Attributes:
        kept (Mapping[int, np.ndarray]): ``k`` -> raster positions ``(k,)`` of the patches that
            patch pooling keeps.
        before (AttendedFace, optional): Attention without pooling, or of another model; None to
            omit this column.
        after (AttendedFace): Attention of the model with pooling.
    """

    kept: Mapping[int, np.ndarray]
    before: AttendedFace | None
    after: AttendedFace


def relative_relevance(relevance: np.ndarray) -> np.ndarray:
    """Scale relevance ``(rows, columns)`` to a mean of 1.

    This makes maps comparable for any share of the [class] embedding and any number of dropped
    patches. If all values are 0, they stay 0.
    """
    return relevance * relevance.size / (relevance.sum() or 1)


def outline(positions: np.ndarray, grid: tuple[int, int], size: tuple[int, int]) -> np.ndarray:
    """Return the border between the patches at ``positions`` and the others.

    Args:
        positions (np.ndarray): Raster positions ``(n,)``.
        grid (tuple[int, int]): Rows and columns of patches.
        size (tuple[int, int]): Height and width of the image in pixels.

    Returns:
        Line segments ``(S, 2, 2)`` as ((x, y), (x, y)) in pixels of ``imshow``, whose images start
        at -0.5. The edge of the image is not part of the border.
    """
    inside = np.zeros(grid[0] * grid[1], bool)
    inside[np.asarray(positions, dtype=np.int64)] = True
    inside = inside.reshape(grid)
    segments = []
    for row, column in np.argwhere(inside[:, 1:] != inside[:, :-1]):
        segments.append([(column + 1, row), (column + 1, row + 1)])
    for row, column in np.argwhere(inside[1:] != inside[:-1]):
        segments.append([(column, row + 1), (column + 1, row + 1)])
    scale = np.array([size[1] / grid[1], size[0] / grid[0]])
    return np.array(segments, float).reshape(-1, 2, 2) * scale - 0.5


def heated(image: np.ndarray, values: np.ndarray, scale: Normalize, colors: Colormap) -> np.ndarray:
    """Blend the gray image, ``(H, W, 3)``, 0 to 1, with the colors of its patches' values.

    Args:
        image (np.ndarray): RGB ``(H, W, 3)``, uint8.
        values (np.ndarray): One value per patch, ``(rows, columns)``.
        scale (Normalize): Maps values to 0 to 1.
        colors (Colormap): Maps 0 to 1 to colors.
    """
    heat = cv2.resize(
        colors(scale(values))[..., :3], image.shape[1::-1], interpolation=cv2.INTER_NEAREST
    )
    return _OPACITY * heat + (1 - _OPACITY) * _gray(image)


def _gray(image: np.ndarray) -> np.ndarray:
    gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None] / 255
    return 0.25 + 0.75 * gray  # dark faces would be invisible under dark colors


def overlay(face: AttendedFace, scale: Normalize, colors: Colormap) -> np.ndarray:
    """Blend the gray face, ``(H, W, 3)``, uint8, with the colors of its relative relevance.

    Patches that were dropped before the transformer are faded to white instead.
    """
    blended = heated(face.image, relative_relevance(face.relevance), scale, colors)
    entered = keep_mask(face.first, face.grid, face.image.shape[:2])[..., None]
    faded = 1 - (1 - _gray(face.image)) * FADED
    return (255 * np.where(entered, blended, faded)).round().astype(np.uint8)


def draw_attention(
    rows: Sequence[AttentionRow],
    names: tuple[str, str] = ('without pooling', 'with pooling'),
    title: str = '',
) -> Figure:
    """Draw faces, the patches kept at several ``k``, and attention before and after pooling.

    Args:
        rows (Sequence[AttentionRow]): All with the same columns.
        names (tuple[str, str]): Titles of the attention before and after. Defaults to
            ``('without pooling', 'with pooling')``.
        title (str): Title of the figure. Defaults to none.

    Returns:
        A figure without a window.
    """
    with_before = rows[0].before is not None
    keep_nums = list(rows[0].kept)
    columns = 1 + len(keep_nums) + with_before + 1
    figure, panels = new_panels(
        len(rows) * columns, columns, (_INCHES, _INCHES + 0.2), (1.1, 0.7), title
    )
    axes = np.reshape(panels, (len(rows), columns))
    scale, colors = _scale(rows), colormaps[COLORS]
    patches = rows[0].after.relevance.size
    heads = ['input', *(f'k = {k} of {patches}' for k in keep_nums), *names[1 - with_before :]]
    for axis, head in zip(axes[0], heads, strict=True):
        axis.set_title(head, fontsize=8, color=INK)
    for row, cells in zip(rows, axes, strict=True):
        image, truth = row.after.image, row.after.truth
        show_image(cells[0], image, truth or '')
        for cell, k in zip(cells[1:], keep_nums, strict=False):
            show_image(cell, erase_dropped(image, row.kept[k], row.after.grid))
        attended = [row.before, row.after] if with_before else [row.after]
        for cell, face in zip(cells[1 + len(keep_nums) :], attended, strict=True):
            text = caption(face)
            if face.target not in (None, face.prediction):
                text += f'\nmap for {face.target}'
            show_image(cell, overlay(face, scale, colors), text, verdict_color(face))
            _mark(cell, face)
    bar = figure.colorbar(
        ScalarMappable(scale, colors),
        ax=axes[:, 1 + len(keep_nums) :],
        extend='max',
        aspect=12 * len(rows),
        fraction=0.12,
        pad=0.02,
    )
    bar.set_label('relevance (1 = an even share of all patches)', fontsize=8, color=INK)
    bar.ax.tick_params(labelsize=7)
    figure.supxlabel(_LEGEND, fontsize=7, color=INK)
    return figure


def _scale(rows: Sequence[AttentionRow]) -> Normalize:
    """Return one scale for all maps, so that their colors are comparable."""
    faces = [face for row in rows for face in (row.before, row.after) if face is not None]
    values = np.concatenate([relative_relevance(face.relevance).ravel() for face in faces])
    return Normalize(0, max(float(np.quantile(values, _CLIPPED)), 1.0), clip=True)


def _mark(axis, face: AttendedFace) -> None:
    """Outline the patches of the last block, and cross out those that token pooling dropped before
    it.
    """
    size = np.array(face.image.shape[:2])
    border = outline(face.last, face.grid, tuple(size))
    dropped = np.setdiff1d(face.first, face.last)
    centers = (np.stack(np.divmod(dropped, face.grid[1])) + 0.5).T * size / face.grid - 0.5
    # White on a dark line is visible on every color.
    for color, width in ((INK, 1.4), ('white', 0.6)):
        axis.add_collection(LineCollection(border, colors=color, linewidths=width))
        axis.scatter(centers[:, 1], centers[:, 0], 60 / face.grid[0], color, 'x', linewidths=width)
