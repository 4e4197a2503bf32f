# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Vector-drawn faces with labels for expression, landmarks, age and identity.

The files, in the order in which they are used for an image:

* ``labels`` samples the labels, and defines how difficult the image is;
* ``identity`` turns a person and an age into numbers, ``expression`` an expression into muscle
  actions;
* ``landmarks`` computes 98 points from these numbers; together they are a ``Subject``;
* ``camera`` maps the points to pixels, and ``drawing`` paints shapes there;
* ``head`` draws body, hair and shading, ``skin`` wrinkles, beard, marks and glasses, ``features``
  nose, mouth, eyes and brows;
* ``scene`` adds difficulties: background, occluders, light and image degradation;
* ``face`` calls all of these in order.
"""

from .camera import CROPS
from .expression import active_units, valence_and_arousal
from .face import DrawnFace, compose_face, draw_face
from .labels import SPLITS, Difficulty, Labels, sample_labels

__all__ = [
    'CROPS',
    'SPLITS',
    'Difficulty',
    'Labels',
    'DrawnFace',
    'active_units',
    'compose_face',
    'draw_face',
    'sample_labels',
    'valence_and_arousal',
]
