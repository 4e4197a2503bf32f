# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""One image of a face: a pure function of its labels and of seed, split and index."""

from typing import NamedTuple

import cv2
import numpy as np

from . import features, head, skin
from .camera import Camera, sample_camera
from .drawing import Drawing
from .expression import sample_actions
from .identity import make_ageing, make_identity
from .labels import Difficulty, Labels, Stream, stream
from .landmarks import Subject
from .scene import apply_light, apply_loss, draw_background, draw_occluders

_OVERSAMPLING = 2


class DrawnFace(NamedTuple):
    """An image and its landmarks."""

    image: np.ndarray  #: Shape (S, S, 3), uint8, BGR.
    #: Shape (98, 2), float32, pixels in WFLW's order, including hidden points.
    landmarks: np.ndarray


def draw_face(
    labels: Labels,
    seed: int,
    split: str,
    index: int,
    image_size: int = 112,
    difficulty: Difficulty | None = None,
    crop: str = 'loose',
) -> DrawnFace:
    """Draw the image defined by ``seed``, ``split`` and ``index``, with these labels.

    The result depends only on the arguments, not on the order of calls, the process, or any global
    random state. Changing one label does not change pose, light or anything else.

    Args:
        labels (Labels): Labels to draw, see :func:`sample_labels`.
        seed (int): Seed of the dataset.
        split (str): 'train', 'val' or 'test'.
        index (int): Number of the image in its split.
        image_size (int): Width and height in pixels. Defaults to 112.
        difficulty (Difficulty | None): Strengths of the difficulties. Defaults to ``Difficulty()``.
        crop (str): 'wide' shows head and shoulders, 'loose' the face with hair and neck, 'tight'
            little more than the face. Defaults to 'loose'.

    Returns:
        DrawnFace: Image and landmarks.
    """
    difficulty = difficulty or Difficulty()
    scene = stream(Stream.SCENE, seed, split, index)
    camera, face = compose_face(labels, seed, split, index, difficulty, crop)

    canvas = draw_background(image_size * _OVERSAMPLING, difficulty.clutter, scene)
    _draw_portrait(canvas, camera, face)
    before = Drawing()
    chance = stream(Stream.OCCLUSION, seed, split, index)
    draw_occluders(before, face.person, difficulty.occlusion, chance)
    before.render(canvas, camera)
    image = cv2.resize(canvas, (image_size, image_size), interpolation=cv2.INTER_AREA)
    image = apply_light(image, difficulty.light, scene)
    image = apply_loss(image, difficulty.loss, scene)
    return DrawnFace(image, face.landmarks(camera, image_size))


def compose_face(
    labels: Labels,
    seed: int,
    split: str,
    index: int,
    difficulty: Difficulty | None = None,
    crop: str = 'loose',
) -> tuple[Camera, Subject]:
    """Return what :func:`draw_face` draws for the same arguments, without drawing it.

    Returns:
        tuple[Camera, Subject]: The camera, and the person with age, expression and light.
    """
    difficulty = difficulty or Difficulty()
    chance = stream(Stream.FACE, seed, split, index)
    # Everything independent of the labels is sampled first, so a label changes nothing else.
    camera = sample_camera(difficulty.pose, crop, chance)
    person = make_identity(seed, labels.identity)
    years = make_ageing(labels.age, person.masculine, chance)
    gaze = 0.03 * difficulty.variation * min(max(chance.standard_normal(), -1.5), 1.5)
    side, light = -1 if chance.random() < 0.5 else 1, chance.random()
    left, right = sample_actions(
        labels.expression, person.habits, person.resting, difficulty.variation, chance
    )
    light *= min(difficulty.light, 1)
    return camera, Subject(person, years, left, right, gaze, side, light)


def _draw_portrait(image: np.ndarray, camera: Camera, face: Subject) -> None:
    """Draw ``face`` on ``image`` (S, S, 3), uint8 BGR, in place, from back to front."""
    base, details = Drawing(), Drawing()
    head.draw_head(base, face)
    base.render(image, camera)
    head.apply_shades(image, camera, face)
    skin.draw_creases(details, face)
    skin.draw_beard(details, face)
    features.draw_nose(details, face)
    features.draw_mouth(details, face)
    for side in (-1, 1):
        features.draw_eye(details, face, side)
        features.draw_brow(details, face, side)
    skin.draw_marks(details, face)
    head.draw_hair(details, face)
    if face.person.glasses:
        skin.draw_glasses(details, face)
    details.render(image, camera)
