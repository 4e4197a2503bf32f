# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Draw the patches that attentive pooling keeps (Figure 7 of the paper)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from matplotlib.figure import Figure

from .figures import INK, PALETTE, new_panels, show_image

_RIGHT, _WRONG = PALETTE[:2]
_INCHES = 1.5  # of an image

#: Contrast of dropped patches, relative to the original; they are almost white.
FADED = 0.12


@dataclass
class PooledFace:
    """One face with its prediction and kept patches.

    Attributes:
        image (np.ndarray): RGB image ``(H, W, 3)``, uint8.
        kept (Mapping[str, np.ndarray]): Stage -> raster positions ``(n,)`` of the patches kept
            after it, in order.
        grid (tuple[int, int]): Rows and columns of patches.
        prediction (str): Predicted class.
        confidence (float): Probability of the predicted class, 0 to 1.
        truth (str, optional): True class, if known.
    """

    image: np.ndarray
    kept: Mapping[str, np.ndarray] = field(default_factory=dict)
    grid: tuple[int, int] = (14, 14)
    prediction: str = ''
    confidence: float = 0.0
    truth: str | None = None


def keep_mask(positions: np.ndarray, grid: tuple[int, int], size: tuple[int, int]) -> np.ndarray:
    """Return a boolean mask, (height, width) = ``size``, of the pixels of some patches."""
    mask = np.zeros(grid[0] * grid[1], np.uint8)
    mask[np.asarray(positions, dtype=np.int64)] = 1
    mask = cv2.resize(mask.reshape(grid), size[::-1], interpolation=cv2.INTER_NEAREST)
    return mask.astype(bool)


def erase_dropped(image: np.ndarray, positions: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    """Fade all patches of ``image`` ``(H, W, 3)`` except those at ``positions`` almost to white."""
    mask = keep_mask(positions, grid, image.shape[:2])
    faded = 255 - (255 - image.astype(np.float32)) * FADED
    return np.where(mask[..., None], image, faded).astype(np.uint8)


def stage_title(stage: str) -> str:
    """Return the title of a stage: ``'app'`` -> 'APP', ``'layers.4'`` -> 'ATP, block 5' (blocks are
    counted from 1, as in the paper).
    """
    if stage == 'app':
        return 'APP'
    return f'ATP, block {int(stage.split(".")[-1]) + 1}'


def draw_pooling(faces: Sequence[PooledFace], per_row: int = 1) -> Figure:
    """Draw faces next to the patches kept after each pooling stage.

    Args:
        faces (Sequence[PooledFace]): All with the same stages.
        per_row (int): Faces per row. Defaults to 1.

    Returns:
        A figure without a window.
    """
    stages = list(faces[0].kept)
    cells = 1 + len(stages)
    figure, panels = new_panels(cells * len(faces), cells * per_row, (_INCHES, _INCHES + 0.2))
    places = iter(panels)
    for face in faces:
        show_image(next(places), face.image, caption(face), verdict_color(face))
        for stage in stages:
            positions = face.kept[stage]
            left = f'{stage_title(stage)}: {len(positions)} of {face.grid[0] * face.grid[1]}'
            show_image(next(places), erase_dropped(face.image, positions, face.grid), left)
    return figure


def caption(face: PooledFace) -> str:
    """Return the prediction, its confidence, and the true class if the prediction is wrong."""
    text = f'{face.prediction} {face.confidence:.0%}'
    if face.truth is not None and face.truth != face.prediction:
        text += f' (is {face.truth})'
    return text


def verdict_color(face: PooledFace) -> str:
    """Return blue for right and vermillion for wrong predictions; ink if the truth is unknown."""
    if face.truth is None:
        return INK
    return _RIGHT if face.truth == face.prediction else _WRONG
