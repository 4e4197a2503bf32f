# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Independent random streams, each a pure function of the numbers that name it."""

from enum import IntEnum

import numpy as np


class Stream(IntEnum):
    """What a stream decides. One stream each, so that a harder scene never changes a label."""

    IDENTITY = 0
    EXPRESSION = 1
    LABELS = 2
    LABEL_NOISE = 3
    FACE = 4
    OCCLUSION = 5
    SCENE = 6
    MISSING_LABEL = 7


def stream(kind: Stream, *key: int) -> np.random.Generator:
    """Open the generator named by ``kind`` and the non-negative integers ``key``.

    Note:
        PCG64 and the seed sequence are specified bit for bit by NumPy, so no process, platform or
        global random state has a part in what comes out.
    """
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence((int(kind), *key))))
