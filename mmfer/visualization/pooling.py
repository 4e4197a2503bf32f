# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Pictures of what attentive pooling keeps (the paper's Figure 7)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

_INK = (0.15, 0.15, 0.15)
# Blue and vermillion are told apart with every common colour blindness.
_RIGHT, _WRONG = '#0072b2', '#d55e00'


@dataclass
class PooledFace:
    """One face with what a model made of it.

    Attributes:
        image: RGB picture ``(H, W, 3)``, uint8.
        kept: Stage -> raster positions ``(n,)`` of the patches left after it, in order.
        grid: Rows and columns of patches.
        prediction: Predicted class.
        confidence: Its probability, 0 to 1.
        truth: True class where it is known.
    """

    image: np.ndarray
    kept: Mapping[str, np.ndarray] = field(default_factory=dict)
    grid: tuple[int, int] = (14, 14)
    prediction: str = ''
    confidence: float = 0.0
    truth: str | None = None


def keep_mask(positions: np.ndarray, grid: tuple[int, int], size: tuple[int, int]) -> np.ndarray:
    """Boolean mask ``size`` = (height, width) of the pixels whose patch is at ``positions``."""
    mask = np.zeros(grid[0] * grid[1], np.uint8)
    mask[np.asarray(positions, dtype=np.int64)] = 1
    mask = cv2.resize(mask.reshape(grid), size[::-1], interpolation=cv2.INTER_NEAREST)
    return mask.astype(bool)


def erase_dropped(image: np.ndarray, positions: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    """``image`` ``(H, W, 3)`` with all patches but those at ``positions`` faded almost to white."""
    mask = keep_mask(positions, grid, image.shape[:2])
    faded = 255 - (255 - image.astype(np.float32)) * 0.12
    return np.where(mask[..., None], image, faded).astype(np.uint8)


def stage_title(stage: str) -> str:
    """``'app'`` -> 'APP', ``'layers.4'`` -> 'ATP, block 5 of' the paper's count from 1."""
    if stage == 'app':
        return 'APP'
    return f'ATP, block {int(stage.split(".")[-1]) + 1}'


def draw_pooling(faces: Sequence[PooledFace], path: str, per_row: int = 1, scale: float = 1.5):
    """Draw faces beside what each stage of pooling kept of them, and save the figure.

    Args:
        faces (Sequence[PooledFace]): All with the same stages.
        path (str): Picture file to write.
        per_row (int): Faces side by side. Defaults to 1.
        scale (float): Inches per picture. Defaults to 1.5.
    """
    # Figure, not pyplot: needs no display and leaves no global state behind.
    from matplotlib.figure import Figure

    from .figures import save_figure

    stages = list(faces[0].kept)
    columns = (1 + len(stages)) * min(per_row, len(faces))
    rows = -(-len(faces) // per_row)
    figure = Figure(figsize=(columns * scale, rows * (scale + 0.35)), dpi=150)
    axes = figure.subplots(rows, columns, squeeze=False)
    for axis in axes.flat:
        axis.axis('off')
    for i, face in enumerate(faces):
        row = axes[i // per_row][(i % per_row) * (1 + len(stages)) :]
        row[0].imshow(face.image)
        row[0].set_title(caption(face), fontsize=7, color=verdict_colour(face), pad=3)
        for axis, stage in zip(row[1:], stages, strict=False):
            positions = face.kept[stage]
            axis.imshow(erase_dropped(face.image, positions, face.grid))
            axis.set_title(
                f'{stage_title(stage)}: {len(positions)} of {face.grid[0] * face.grid[1]}',
                fontsize=7,
                color=_INK,
                pad=3,
            )
    figure.tight_layout(pad=0.4, w_pad=0.5, h_pad=0.6)
    save_figure(figure, path)


def caption(face: PooledFace) -> str:
    """What a face is taken for, how surely, and what it is where that is something else."""
    said = f'{face.prediction} {face.confidence:.0%}'
    if face.truth is not None and face.truth != face.prediction:
        said += f' (is {face.truth})'
    return said


def verdict_colour(face: PooledFace):
    """Ink where the truth is not known; else blue for right and vermillion for wrong."""
    if face.truth is None:
        return _INK
    return _RIGHT if face.truth == face.prediction else _WRONG
