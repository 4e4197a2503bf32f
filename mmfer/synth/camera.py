# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""From face units to pixels: a head with depth, turned and moved in front of a camera."""

from dataclasses import dataclass

import numpy as np

# The head turns about a point behind the middle of the face.
_PIVOT = np.array([0.0, 0.30, 0.0])
# Standard deviations of yaw, pitch and roll in radians, of size and position as shares.
_SPREAD = np.array([*np.radians((11, 7, 6)), 0.06, 0.03, 0.03])
#: How many face units span a picture: head and shoulders, from which crops can be cut; hair and
#: neck with the face; or little but the face.
CROPS = {'wide': 3.6, 'loose': 2.5, 'tight': 1.9}


def depth(points: np.ndarray) -> np.ndarray:
    """How far the surface of the face stands out at frontal ``points`` (N, 2); (N,)."""
    bulge = 1 - (points[:, 0] / 0.98) ** 2 - ((points[:, 1] - 0.3) / 1.35) ** 2
    return 0.52 * np.sqrt(np.maximum(bulge, 0.02))


@dataclass(frozen=True)
class Camera:
    """A parallel projection.

    Args:
        yaw, pitch, roll (float): Radians; positive yaw turns to the viewer's right, positive pitch
            looks up, positive roll tilts clockwise. Default to 0.
        scale (float): Size of the face, a factor on what ``crop`` gives it. Defaults to 1.
        shift (tuple[float, float]): Displacement as a share of the picture. Defaults to (0, 0).
        crop (str): How much is seen around the face, a key of ``CROPS``. Defaults to 'loose'.
    """

    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    scale: float = 1.0
    shift: tuple[float, float] = (0.0, 0.0)
    crop: str = 'loose'

    def matrix(self, size: int) -> tuple[np.ndarray, np.ndarray]:
        """Linear part (3, 2) and offset (2,): ``pixels = points @ linear + offset``.

        Whole numbers are the centres of pixels, as in OpenCV.
        """
        cy, sy = np.cos(self.yaw), np.sin(self.yaw)
        cp, sp = np.cos(self.pitch), np.sin(self.pitch)
        cr, sr = np.cos(self.roll), np.sin(self.roll)
        turn = np.array([[cy, 0, sy], [0, cp, -sp]])
        linear = self.zoom(size) * (np.array([[cr, -sr], [sr, cr]]) @ turn).T
        middle = np.array([0.5, 0.5]) + np.array(self.shift)
        return linear, middle * size - 0.5 - _PIVOT @ linear

    def zoom(self, size: int) -> float:
        """Pixels per face unit."""
        return size * self.scale / CROPS[self.crop]


def sample_camera(strength: float, crop: str, rng: np.random.Generator) -> Camera:
    """Draw a pose; ``strength`` scales all of it, 0 is frontal."""
    turn = np.clip(rng.standard_normal(6), -2.2, 2.2) * strength * _SPREAD
    yaw, pitch, roll, zoom, right, down = turn.tolist()
    return Camera(
        # Beyond this the flat features of the face would leave it.
        yaw=min(max(yaw, -0.5), 0.5),
        pitch=min(max(pitch, -0.35), 0.35),
        roll=roll,
        scale=1 + zoom,
        shift=(right, down),
        crop=crop,
    )
