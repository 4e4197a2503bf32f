# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""All that is known about a face before it is drawn."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .ageing import Ageing
from .camera import Camera
from .colours import mix
from .drawing import project
from .expression import Actions
from .identity import Identity
from .landmarks import RELIEF

_PALE = np.array((190.0, 196.0, 214.0))


@dataclass(frozen=True)
class Subject:
    """One face at one moment.

    Args:
        person (Identity): Who.
        years (Ageing): How old.
        left, right (Actions): Muscle actions of the viewer's left and right side.
        points (np.ndarray): The 98 points in face units, shape (98, 2).
        light_side (int): -1 or 1, the side that the light comes from.
        light (float): 0 (even) to 1 (hard).
    """

    person: Identity
    years: Ageing
    left: Actions
    right: Actions
    points: np.ndarray
    light_side: int = -1
    light: float = 0.3

    @cached_property
    def skin(self) -> np.ndarray:
        """Colour of the skin: fresh in children, pale in old age."""
        pale = mix(self.person.skin, _PALE, 0.18 * self.years.sagging)
        return mix(pale, np.minimum(pale * 1.05, 255), self.years.child)

    def both(self, action: str) -> float:
        """Mean strength of a muscle action over the two sides."""
        return 0.5 * (getattr(self.left, action) + getattr(self.right, action))

    def landmarks(self, camera: Camera, size: int) -> np.ndarray:
        """The 98 points in pixels of a picture of ``size``, shape (98, 2), float32."""
        return project(self.points, camera, size, RELIEF).astype(np.float32)
