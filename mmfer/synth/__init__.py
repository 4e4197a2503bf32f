# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Vector faces with labels for expression, landmarks, age and identity.

The pieces, in the order in which a picture comes about: ``labels`` says what is to be seen;
``identity``, ``ageing`` and ``expression`` turn that into numbers, ``landmarks`` turns the numbers
into 98 points, and together they are a ``subject``. ``portrait`` draws it in layers (``body``,
``shading``, ``creases``, ``features``, ``adornments``, ``hair``) as a ``camera`` sees it.
``occluders`` and ``scene`` make it hard to read, and ``face`` does all of it in one call.
``action_units`` reads labels off the muscle actions.
"""

from mmfer.wflw_points import FLIP_INDICES, NUM_LANDMARKS

from .action_units import active_units
from .difficulty import Difficulty
from .face import Picture, draw_face, face_actions
from .labels import SPLITS, Labels, sample_labels

__all__ = [
    'FLIP_INDICES',
    'NUM_LANDMARKS',
    'SPLITS',
    'Difficulty',
    'Labels',
    'Picture',
    'active_units',
    'draw_face',
    'face_actions',
    'sample_labels',
]
