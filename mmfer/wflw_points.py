# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""The 98 facial landmarks of WFLW and their order, which the whole package uses.

=========  =====================================================================
0 - 32     jaw, from the viewer's left ear via the chin (16) to the right ear
33 - 41    left brow: outer tip, upper edge inwards, lower edge outwards
42 - 50    right brow: upper edge outwards, outer tip (46), lower edge inwards
51 - 54    bridge of the nose
55 - 59    bottom of the nose
60 - 67    left eye from the outer corner (60) via the inner one (64), clockwise
68 - 75    right eye from the inner corner (68) via the outer one (72), clockwise
76 - 87    outer edge of the lips from the left corner (76) via the right one (82), clockwise
88 - 95    inner edge of the lips from the left corner (88) via the right one (92), clockwise
96, 97     left and right pupil
=========  =====================================================================

"Left" is the viewer's left.
"""

import numpy as np

NUM_LANDMARKS = 98

JAW = slice(0, 33)
LEFT_BROW, RIGHT_BROW = slice(33, 42), slice(42, 51)
BRIDGE, NOSTRILS = slice(51, 55), slice(55, 60)
LEFT_EYE, RIGHT_EYE = slice(60, 68), slice(68, 76)
OUTER_LIPS, INNER_LIPS = slice(76, 88), slice(88, 96)
PUPILS = slice(96, 98)

_MIRROR_OF_RIGHT_BROW = [4, 3, 2, 1, 0, 8, 7, 6, 5]
_MIRROR_OF_RIGHT_EYE = [4, 3, 2, 1, 0, 7, 6, 5]

#: ``landmarks[FLIP_INDICES]`` restores WFLW's order after an image was mirrored.
FLIP_INDICES = np.concatenate(
    [
        np.arange(32, -1, -1),
        42 + np.array(_MIRROR_OF_RIGHT_BROW),
        33 + np.argsort(_MIRROR_OF_RIGHT_BROW),
        np.arange(51, 55),
        np.arange(59, 54, -1),
        68 + np.array(_MIRROR_OF_RIGHT_EYE),
        60 + np.argsort(_MIRROR_OF_RIGHT_EYE),
        76 + np.array([6, 5, 4, 3, 2, 1, 0, 11, 10, 9, 8, 7]),
        88 + np.array([4, 3, 2, 1, 0, 7, 6, 5]),
        [97, 96],
    ]
)
FLIP_INDICES.flags.writeable = False  # shared by all importing modules

#: Indices of the 44 points on the viewer's left. ``FLIP_INDICES[LEFT_POINTS]`` are those on the
#: right, and the other ten are in the middle.
LEFT_POINTS = np.array(
    [*range(16), *range(33, 42), 55, 56, *range(60, 68), 76, 77, 78, 86, 87, 88, 89, 95, 96]
)
