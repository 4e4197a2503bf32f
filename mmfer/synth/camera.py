# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""From face units to pixels: a head with depth, rotated and shifted in front of a camera."""

from dataclasses import dataclass

import numpy as np

# The head rotates about a point behind the center of the face.
_PIVOT = np.array([0.0, 0.30, 0.0])
# Standard deviations: yaw, pitch and roll in radians; size and position as shares.
_SPREAD = np.array([*np.radians((11, 7, 6)), 0.06, 0.03, 0.03])
#: Width of an image in face units: head and shoulders, from which the others can be cropped; the
#: face with hair and neck; or little more than the face.
CROPS = {'wide': 3.6, 'loose': 2.5, 'tight': 1.9}


@dataclass(frozen=True)
class Camera:
    """A parallel projection."""

    yaw: float = 0.0  #: Radians; positive turns to the viewer's right.
    pitch: float = 0.0  #: Radians; positive looks up.
    roll: float = 0.0  #: Radians; positive tilts clockwise.
    scale: float = 1.0  #: Factor on the size of the face that ``crop`` defines.
    shift: tuple[float, float] = (0.0, 0.0)  #: Displacement as a share of the image.
    crop: str = 'loose'  #: Visible region around the face, a key of ``CROPS``.

    def project(
        self, points: np.ndarray, size: int, height: np.ndarray, flat: np.ndarray | bool = False
    ) -> np.ndarray:
        """Map frontal points to pixels of an image of ``size``.

        Args:
            points (np.ndarray): Face units, shape (N, 2).
            size (int): Width and height of the image in pixels.
            height (np.ndarray): Height of the points above the surface of the face, shape (N,).
            flat (np.ndarray | bool): Whether ``height`` is relative to the plane behind the face
                instead, shape (N,). Defaults to False.

        Returns:
            np.ndarray: Shape (N, 2). Integers are pixel centers, as in OpenCV.
        """
        cy, sy = np.cos(self.yaw), np.sin(self.yaw)
        cp, sp = np.cos(self.pitch), np.sin(self.pitch)
        cr, sr = np.cos(self.roll), np.sin(self.roll)
        turn = np.array([[cy, 0, sy], [0, cp, -sp]])
        linear = self.zoom(size) * (np.array([[cr, -sr], [sr, cr]]) @ turn).T
        middle = np.array([0.5, 0.5]) + np.array(self.shift)
        offset = middle * size - 0.5 - _PIVOT @ linear
        depth = height + np.where(flat, 0.0, _surface(points))
        return points @ linear[:2] + depth[:, None] * linear[2] + offset

    def zoom(self, size: int) -> float:
        """Return the pixels per face unit."""
        return size * self.scale / CROPS[self.crop]


def _surface(points: np.ndarray) -> np.ndarray:
    """Return the height of the face surface at frontal ``points`` (N, 2); (N,)."""
    bulge = 1 - (points[:, 0] / 0.98) ** 2 - ((points[:, 1] - 0.3) / 1.35) ** 2
    return 0.52 * np.sqrt(np.maximum(bulge, 0.02))


def sample_camera(strength: float, crop: str, rng: np.random.Generator) -> Camera:
    """Sample a pose; ``strength`` scales all of it, 0 is frontal."""
    turn = np.clip(rng.standard_normal(6), -2.2, 2.2) * strength * _SPREAD
    yaw, pitch, roll, zoom, right, down = turn.tolist()
    return Camera(
        # At larger angles the flat features would extend beyond the face.
        yaw=min(max(yaw, -0.5), 0.5),
        pitch=min(max(pitch, -0.35), 0.35),
        roll=roll,
        scale=1 + zoom,
        shift=(right, down),
        crop=crop,
    )
