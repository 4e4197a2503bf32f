# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""One picture of a face: a pure function of its labels and of the numbers that name it."""

from typing import NamedTuple

import cv2
import numpy as np

from .ageing import make_ageing
from .camera import Camera, sample_camera
from .difficulty import Difficulty
from .drawing import Drawing
from .expression import NUM_ACTIONS, Actions, sample_actions
from .identity import make_identity
from .labels import SPLITS, Labels
from .landmarks import face_points
from .occluders import draw_occluders
from .portrait import render_portrait
from .random_streams import Stream, stream
from .scene import apply_light, apply_loss, draw_background
from .subject import Subject

_OVERSAMPLING = 2


class Picture(NamedTuple):
    """A picture and where its face is.

    Args:
        image (np.ndarray): Shape (S, S, 3), uint8, BGR.
        landmarks (np.ndarray): Shape (98, 2), float32, pixels in WFLW's order. Points that an
            occluder hides are where the face has them.
    """

    image: np.ndarray
    landmarks: np.ndarray


def draw_face(
    labels: Labels,
    seed: int,
    split: str,
    index: int,
    image_size: int = 112,
    difficulty: Difficulty | None = None,
    crop: str = 'loose',
) -> Picture:
    """Draw the picture that ``seed``, ``split`` and ``index`` name, with these labels.

    The result depends on the arguments alone: not on the order of calls, the process, or any
    global random state. Replacing one label leaves pose, light and everything else as it is.

    Args:
        labels (Labels): What is to be seen, see :func:`sample_labels`.
        seed (int): Seed of the dataset.
        split (str): 'train', 'val' or 'test'.
        index (int): Number of the picture in its split.
        image_size (int): Width and height in pixels. Defaults to 112.
        difficulty (Difficulty | None): How hard it is to read. Defaults to ``Difficulty()``.
        crop (str): 'wide' shows head and shoulders, 'loose' hair and neck, 'tight' little but the
            face. Defaults to 'loose'.

    Returns:
        Picture: Image and landmarks.
    """
    difficulty = difficulty or Difficulty()
    key = (seed, SPLITS.index(split), index)
    occlusion, scene = (stream(kind, *key) for kind in (Stream.OCCLUSION, Stream.SCENE))
    camera, face = _compose(labels, seed, split, index, difficulty, crop)

    canvas = draw_background(image_size * _OVERSAMPLING, difficulty.clutter, scene)
    render_portrait(canvas, camera, face)
    before = Drawing()
    draw_occluders(before, face.person, difficulty.occlusion, occlusion)
    before.render(canvas, camera)
    image = cv2.resize(canvas, (image_size, image_size), interpolation=cv2.INTER_AREA)
    image = apply_light(image, difficulty.light, scene)
    image = apply_loss(image, difficulty.loss, scene)
    return Picture(image, face.landmarks(camera, image_size))


def face_actions(
    labels: Labels,
    seed: int,
    split: str,
    index: int,
    difficulty: Difficulty | None = None,
) -> tuple[Actions, Actions]:
    """The muscle actions that :func:`draw_face` draws, for the same arguments, without drawing.

    Returns:
        tuple[Actions, Actions]: Viewer's left side and right side.
    """
    # The crop is a matter of the camera, which takes as many random numbers for each of them.
    _, face = _compose(labels, seed, split, index, difficulty or Difficulty(), 'loose')
    return face.left, face.right


def _compose(
    labels: Labels, seed: int, split: str, index: int, difficulty: Difficulty, crop: str
) -> tuple[Camera, Subject]:
    """Where the picture is taken from, and whose face it shows in which state."""
    chance = stream(Stream.FACE, seed, SPLITS.index(split), index)
    # What does not depend on a label is drawn first: another label then changes nothing else.
    camera = sample_camera(difficulty.pose, crop, chance)
    person = make_identity(seed, labels.identity, NUM_ACTIONS)
    years = make_ageing(labels.age, person.masculine, chance)
    gaze = 0.03 * difficulty.variation * min(max(chance.standard_normal(), -1.5), 1.5)
    side, light = -1 if chance.random() < 0.5 else 1, chance.random()
    left, right = sample_actions(
        labels.expression, person.habits, person.resting, difficulty.variation, chance
    )
    face = Subject(
        person, years, left, right,
        points=face_points(person, years, left, right, gaze),
        light_side=side, light=light * min(difficulty.light, 1),
    )  # fmt: skip
    return camera, face
