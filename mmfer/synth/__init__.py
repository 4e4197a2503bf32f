# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Vector faces with labels for expression, landmarks, age and identity.

The files, in the order in which an image comes about:

* ``labels`` samples what the image shows and holds how hard it is to read;
* ``identity`` turns a person and an age into numbers, ``expression`` an expression into muscle
  actions;
* ``landmarks`` places 98 points by these numbers; together they are a ``Subject``;
* ``camera`` maps the points to pixels, and ``drawing`` paints shapes there;
* ``head`` draws body, hair and shading, ``skin`` what lies on the skin, ``features`` nose, mouth,
  eyes and brows;
* ``scene`` makes it hard to read: background, occluders, light and loss;
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
