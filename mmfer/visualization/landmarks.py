# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Draw faces with their true and predicted landmarks."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mmfer import wflw_points

from .figures import new_panels, show_image

# Sky blue and orange are light enough for dark faces; a dark rim separates them from bright faces.
_COLORS = {'true': '#56b4e9', 'predicted': '#e69f00'}
_RIM = '#000000'
_INCHES = 2.2  # of a face

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
    """One face with its true and predicted landmarks.

    Attributes:
        image (np.ndarray): RGB image ``(H, W, 3)``, uint8.
        truth (np.ndarray): True points ``(P, 2)``, pixels.
        pred (np.ndarray): Predicted points ``(P, 2)``, pixels.
        nme (float): Normalized mean error in percent.
        name (str): Name of the face, for the caption. Defaults to none.
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
) -> Figure:
    """Draw faces with their true and predicted points, and the error under each.

    Args:
        faces (Sequence[LandmarkedFace]): The faces, in the order of drawing.
        per_row (int): Faces per row. Defaults to 4.
        lines (bool): Whether to connect the points of each part of the face (98 points in WFLW's
            order) instead of drawing single points. Defaults to False.
        title (str): Title. Defaults to none.

    Returns:
        A figure without a window.

    Raises:
        ValueError: ``lines`` is set for points other than the 98 of WFLW.
    """
    if lines and any(len(face.truth) != wflw_points.NUM_LANDMARKS for face in faces):
        raise ValueError(
            f'lines need the {wflw_points.NUM_LANDMARKS} points of WFLW; these faces have '
            f'{sorted({len(face.truth) for face in faces})}'
        )
    figure, panels = new_panels(len(faces), per_row, (_INCHES, _INCHES + 0.3), (0, 0.7), title)
    draw = _draw_parts if lines else _draw_points
    for panel, face in zip(panels, faces, strict=True):
        caption = '\n'.join(filter(None, [f'NME {face.nme:.1f} %', face.name]))
        show_image(panel, face.image, caption, fontsize=8)
        draw(panel, face.truth, 'true')
        draw(panel, face.pred, 'predicted')
    handles, names = panels[0].get_legend_handles_labels()
    figure.legend(
        handles, names, loc='outside lower center', ncols=2, frameon=False, markerscale=2.5
    )
    return figure


def _draw_points(axes: Axes, points: np.ndarray, name: str) -> None:
    style = dict(color=_COLORS[name], edgecolors=_RIM, linewidths=0.35)
    axes.scatter(points[:, 0], points[:, 1], s=7, zorder=3, label=name, **style)


def _draw_parts(axes: Axes, points: np.ndarray, name: str) -> None:
    closed = [np.concatenate([points[part], points[part][:1]]) for part in _CLOSED]
    for line in [*(points[part] for part in _OPEN), *closed]:
        axes.plot(line[:, 0], line[:, 1], color=_RIM, linewidth=1.9, alpha=0.6)
        axes.plot(line[:, 0], line[:, 1], color=_COLORS[name], linewidth=1.2)
    _draw_points(axes, points[wflw_points.PUPILS], name)
