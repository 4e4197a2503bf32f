# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Soft light and shadow on a face."""

import cv2
import numpy as np

from mmfer.wflw_points import JAW

from .camera import Camera
from .drawing import Drawing, ellipse
from .landmarks import half_width
from .subject import Subject

# A shade multiplies; this one leaves a pixel as it is.
_NEUTRAL_SHADE = 128


def apply_shades(image: np.ndarray, camera: Camera, face: Subject) -> None:
    """Multiply with soft light and shadow, drawn coarsely and blurred."""
    size = image.shape[0]
    small = max(24, size // 4)
    shade = np.full((small, small, 3), _NEUTRAL_SHADE, np.uint8)
    drawing = Drawing()
    _draw_shades(drawing, face)
    drawing.render(shade, camera)
    radius = round(3 * small / 56)
    shade = cv2.GaussianBlur(shade, (2 * radius + 1, 2 * radius + 1), 0.5 * radius)
    shade = cv2.resize(shade, (size, size), interpolation=cv2.INTER_LINEAR)
    cv2.multiply(image, shade, image, scale=1 / _NEUTRAL_SHADE)


def _draw_shades(drawing: Drawing, face: Subject) -> None:
    """Darken what turns away or lies deep, brighten and redden what stands out."""
    points, years, person = face.points, face.years, face.person
    neutral = float(_NEUTRAL_SHADE)

    def tone(value, warm=0.0):
        """A factor; ``warm`` takes blue and green away."""
        return np.array((neutral * value * (1 - warm), neutral * value * (1 - 0.6 * warm),
                         neutral * value))  # fmt: skip

    side, light = face.light_side, face.light
    width, chin = half_width(person, years), points[16, 1]
    jaw = points[JAW]
    # The side away from the light, then the lit middle of the face on top.
    dark = jaw[16:] if side < 0 else jaw[:17]
    inner = np.array([(0.42, 1.0), (0.5, 0.5), (0.62, 0.1), (0.6, -0.6)]) * (-side * width, 1)
    back = inner[::-1] if side < 0 else inner
    drawing.fill(np.concatenate([dark, back]), tone(0.9 - 0.34 * light))
    rim = jaw[4:29]
    drawing.fill(np.concatenate([rim, (rim * (0.84, 0.9) + (0, 0.01))[::-1]]), tone(0.9, 0.04))
    drawing.fill(ellipse(0.1 * side, -0.5, 0.42, 0.2, 14), tone(1.07))
    for where, act in ((-1, face.left), (1, face.right)):
        lit = 1.0 + 0.09 * light * (1 if where == side else -1)
        drawing.fill(ellipse(where * 0.36, -0.1, 0.25, 0.13, 12), tone(0.9 * lit, 0.05))
        raised = 0.45 - 0.06 * act.cheek_raise
        blush = 0.05 + 0.07 * years.child + 0.06 * act.corner_pull
        drawing.fill(ellipse(where * 0.46, raised + 0.05, 0.2, 0.16, 12), tone(1.03, blush))
        drawing.fill(
            ellipse(where * 0.44, raised - 0.02, 0.12, 0.08, 10),
            tone(1.06 + 0.05 * act.cheek_raise, blush),
        )
    if person.beard == 'stubble' and years.grown >= 0.9:
        drawing.fill(np.concatenate([jaw[7:26], points[[82, 76]] * (1.5, 0.88)]), tone(0.83, -0.1))
        drawing.fill(ellipse(0, points[79, 1] - 0.06, 0.26, 0.06, 12), tone(0.83, -0.1))
    bags = 0.06 + 0.14 * years.wrinkles + 0.05 * face.both('cheek_raise')
    for where in (-1, 1):
        drawing.fill(ellipse(where * 0.345, 0.13, 0.13, 0.035, 10), tone(1 - bags, 0.03))
    nose = points[51:60]
    away = -side * points[59, 0]
    drawing.fill(
        np.array([(0.0, nose[0, 1]), (0.35 * away, nose[0, 1] + 0.05),
                  (0.9 * away, nose[3, 1] + 0.04), (0.1 * away, nose[3, 1])]),
        tone(0.88 - 0.14 * light, 0.03), z=0.05,
    )  # fmt: skip
    bridge = np.array([(0.02 * side, nose[0, 1] + 0.1), (0.05 * side, nose[3, 1])])
    drawing.line(bridge, tone(1.1), 0.06, z=0.1)
    drawing.fill(ellipse(0, nose[6, 1] + 0.045, 0.15, 0.045, 12), tone(0.86, 0.03))
    below = points[85, 1]
    drawing.fill(ellipse(0, below + 0.045, 0.15, 0.035, 10), tone(0.86, 0.03))
    drawing.fill(ellipse(0.02 * side, 0.5 * (below + chin) + 0.06, 0.13, 0.08, 10), tone(1.06))
