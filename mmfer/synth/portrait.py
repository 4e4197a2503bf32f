# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""The layers of a face, from the back to the front."""

import numpy as np

from mmfer.wflw_points import LEFT_BROW, LEFT_EYE, RIGHT_BROW, RIGHT_EYE

from . import adornments, body, creases, features, hair, shading
from .camera import Camera
from .drawing import Drawing
from .subject import Subject


def render_portrait(image: np.ndarray, camera: Camera, face: Subject) -> None:
    """Draw ``face`` on ``image`` (S, S, 3), uint8 BGR, in place."""
    base, details = Drawing(), Drawing()
    body.draw_body(base, face)
    body.draw_skin(base, face)
    base.render(image, camera)
    shading.apply_shades(image, camera, face)
    creases.draw_creases(details, face)
    adornments.draw_beard(details, face)
    features.draw_nose(details, face)
    features.draw_mouth(details, face)
    for side, eye, brow in ((-1, LEFT_EYE, LEFT_BROW), (1, RIGHT_EYE, RIGHT_BROW)):
        features.draw_eye(details, face, side, face.points[eye])
        features.draw_brow(details, face, face.points[brow])
    adornments.draw_marks(details, face)
    hair.draw_front(details, face.person, face.years)
    if face.person.glasses:
        adornments.draw_glasses(details, face)
    details.render(image, camera)
