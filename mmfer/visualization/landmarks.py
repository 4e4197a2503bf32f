# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Contact sheets of faces with their true and their predicted landmarks."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from mmfer import wflw_points

from .figures import new_panels, show_image

# Sky blue and orange: light enough for dark faces; a dark rim makes them stand out of bright ones.
_TRUE, _PRED = '#56b4e9', '#e69f00'
_RIM = '#000000'

_OPEN = (wflw_points.JAW, wflw_points.BRIDGE, wflw_points.NOSTRILS)
_CLOSED = (
    wflw_points.LEFT_BROW,
    wflw_points.RIGHT_BROW,
    wflw_points.LEFT_EYE,
    wflw_points.RIGHT_EYE,
    wflw_points.OUTER_LIPS,
    wflw_points.INNER_LIPS,
)


@dataclass
class LandmarkedFace:
    """One face.

    Attributes:
        image: RGB picture ``(H, W, 3)``, uint8.
        truth: True points ``(P, 2)``, pixels.
        pred: Predicted points ``(P, 2)``, pixels.
        nme: Normalised mean error in percent.
        name: What it is called, for the caption. Default: nothing.
    """

    image: np.ndarray
    truth: np.ndarray
    pred: np.ndarray
    nme: float
    name: str = ''


def draw_landmarks(
    faces: Sequence[LandmarkedFace],
    per_row: int = 4,
    lines: bool = False,
    title: str = '',
    scale: float = 2.2,
) -> Figure:
    """Draw faces with their true and predicted points, and the error under each.

    Args:
        faces: In the order they are to be seen.
        per_row: Faces side by side. Default 4.
        lines: Whether to join the points of a part of the face (98 points in WFLW's order) instead
            of drawing single ones. Default False.
        title: Headline. Default: none.
        scale: Inches per face. Default 2.2.

    Returns:
        A figure that belongs to no window.

    Raises:
        ValueError: ``lines`` with points that are not WFLW's 98.
    """
    if lines and any(len(face.truth) != wflw_points.NUM_LANDMARKS for face in faces):
        raise ValueError(
            f'lines join the {wflw_points.NUM_LANDMARKS} points of WFLW; these faces have '
            f'{sorted({len(face.truth) for face in faces})}'
        )
    figure, panels = new_panels(len(faces), per_row, (scale, scale + 0.3), (0, 0.7), title)
    draw = _draw_parts if lines else _draw_points
    for panel, face in zip(panels, faces, strict=True):
        caption = '\n'.join(filter(None, [f'NME {face.nme:.1f} %', face.name]))
        show_image(panel, face.image, caption, fontsize=8)
        draw(panel, face.truth, _TRUE)
        draw(panel, face.pred, _PRED)
    marker = dict(linestyle='-' if lines else 'none', marker=None if lines else 'o', linewidth=2)
    handles = [
        Line2D([], [], color=color, markeredgecolor=_RIM, markeredgewidth=0.4, label=name, **marker)
        for color, name in ((_TRUE, 'true'), (_PRED, 'predicted'))
    ]
    figure.legend(handles=handles, loc='outside lower center', ncols=2, frameon=False)
    return figure


def _draw_points(axes, points: np.ndarray, color: str) -> None:
    axes.scatter(
        points[:, 0], points[:, 1], s=7, color=color, edgecolors=_RIM, linewidths=0.35, zorder=3
    )


def _draw_parts(axes, points: np.ndarray, color: str) -> None:
    for part in _OPEN:
        _draw_line(axes, points[part], color)
    for part in _CLOSED:
        _draw_line(axes, np.concatenate([points[part], points[part][:1]]), color)
    _draw_points(axes, points[wflw_points.PUPILS], color)


def _draw_line(axes, points: np.ndarray, color: str) -> None:
    axes.plot(points[:, 0], points[:, 1], color=_RIM, linewidth=1.9, alpha=0.6)
    axes.plot(points[:, 0], points[:, 1], color=color, linewidth=1.2)
