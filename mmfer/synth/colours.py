# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Small colour arithmetic. A colour is a BGR array of three numbers, 0 to 255."""

import numpy as np

WHITE = np.array((246.0, 248.0, 250.0))
# Shadows on skin take more blue than red.
_ABSORPTION = np.array((1.0, 0.92, 0.78))
BLACK = np.array((18.0, 16.0, 18.0))


def mix(first: np.ndarray, second: np.ndarray, share: float) -> np.ndarray:
    """Blend two colours; ``share`` 0 gives the first, 1 the second."""
    return first + (second - first) * share


def darker(colour: np.ndarray, amount: float) -> np.ndarray:
    """Darken by ``amount`` in [0, 1], blue and green more than red, as shadows on skin do."""
    return colour * (1 - amount * _ABSORPTION)
