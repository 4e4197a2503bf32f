# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""How hard the pictures are to read."""

from dataclasses import dataclass, fields


@dataclass(frozen=True)
class Difficulty:
    """Strengths of everything that hides an expression. Zero switches a part off.

    Args:
        variation (float): How far the same expression differs from picture to picture: subtle
            instead of full intensity, uneven sides, a person's own style, stray muscle actions.
            0 draws the full, even prototype. Defaults to 1.
        pose (float): Scales the angles (standard deviations of 11 degrees yaw, 7 pitch, 6 roll),
            the size (6 %) and the position (3 % of the picture). Defaults to 1.
        light (float): Scales exposure, side light and colour cast. Defaults to 1.
        clutter (float): Scales the number of things in the background. Defaults to 1.
        loss (float): Scales blur, sensor noise and JPEG loss. Defaults to 1.
        occlusion (float): Probability in [0, 1] that something (a hand, glasses, hair, bars, a
            scarf ...) hides a part of the face; with half of it, a second thing. Defaults to 0.5.

    Raises:
        ValueError: If a strength is outside [0, 2], or ``occlusion`` outside [0, 1].
    """

    variation: float = 1.0
    pose: float = 1.0
    light: float = 1.0
    clutter: float = 1.0
    loss: float = 1.0
    occlusion: float = 0.5

    def __post_init__(self):
        for field in fields(self):
            value = getattr(self, field.name)
            top = 1 if field.name == 'occlusion' else 2
            # Beyond 2 the face would leave the picture.
            if not isinstance(value, (int, float)) or not 0 <= value <= top:
                raise ValueError(
                    f'difficulty.{field.name} must be a number in [0, {top}], got {value!r}'
                )

    @classmethod
    def none(cls) -> 'Difficulty':
        """Frontal, evenly lit, sharp and free: for figures and for tests."""
        return cls(**{field.name: 0 for field in fields(cls)})
