# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Drawn faces without disturbances such as occlusion and strong light."""

from mmfer.categories import EXPRESSIONS
from mmfer.synth import Difficulty, Labels, draw_face

PLAIN = Difficulty.none()
CLASS = {name: number for number, name in enumerate(EXPRESSIONS)}


def plain_face(expression, identity=0, age=30, image_size=112, index=0):
    """Draw the face of a person; the expression is given by name."""
    labels = Labels(CLASS[expression], age, identity)
    return draw_face(labels, 0, 'train', index, image_size, PLAIN)
