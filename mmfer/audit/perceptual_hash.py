# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""A hash of what an image shows, which small changes leave almost as it is."""

import cv2
import numpy as np

#: Borders that are cut off before hashing, as shares of the sides. An image that somebody has
#: cropped a little has, as a whole, about the hash that the original has without such a border.
MARGINS = (0.0, 0.035, 0.07)

#: 64-bit words of a hash. The first one is of the lowest frequencies, for the search.
NUM_WORDS = 4

_SIZE = 32


def _frequencies() -> np.ndarray:
    """(256, 2) vertical and horizontal frequency of each bit, the lowest first; no mean value."""
    every = ((u, v) for u in range(_SIZE) for v in range(_SIZE))
    order = np.array(sorted(every, key=lambda uv: (sum(uv), max(uv), uv)))[1 : 64 * NUM_WORDS + 1]
    # Neighbors go to different quarters of the first word: the search looks at one quarter at a
    # time, and each should say as much of an image as the others.
    order[:64] = order[:64].reshape(16, 4, 2).swapaxes(0, 1).reshape(64, 2)
    return order


def _pack(bits: np.ndarray) -> np.ndarray:
    return np.packbits(bits, axis=-1).view(np.uint64)


_FREQUENCIES = _frequencies()

#: Exclusive or with this makes the hash of an image that of its mirror image: mirroring changes
#: the sign of the odd horizontal frequencies and nothing else.
MIRROR = _pack(_FREQUENCIES[:, 1] % 2 == 1)

_BITS_OF = np.array([number.bit_count() for number in range(2**16)], np.uint8)


def hash_image(gray: np.ndarray) -> np.ndarray:
    """Hash an image: signs of the 256 lowest frequencies of its cosine transform.

    The image is squeezed to 32x32 first, so neither its size nor its shape matters, and a change
    of brightness or contrast changes no sign.

    Args:
        gray (np.ndarray): (H, W), uint8.

    Returns:
        (3, 4), uint64: a hash for each of :data:`MARGINS`.
    """
    height, width = gray.shape
    bits = []
    for margin in MARGINS:
        top, left = round(height * margin), round(width * margin)
        inner = gray[top : height - top, left : width - left]
        small = cv2.resize(inner, (_SIZE, _SIZE), interpolation=cv2.INTER_AREA)
        spectrum = cv2.dct(small.astype(np.float32))
        bits.append(spectrum[_FREQUENCIES[:, 0], _FREQUENCIES[:, 1]] > 0)
    return _pack(np.array(bits))


def count_bits(words: np.ndarray) -> np.ndarray:
    """Number of ones in each quarter of 64-bit words: (..., N) -> (..., 4 N), uint8."""
    return _BITS_OF[np.ascontiguousarray(words).view(np.uint16)]


def distance(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Number of bits in which hashes differ: two of (..., words) -> (...), at most 64 a word."""
    return count_bits(first ^ second).sum(-1, dtype=np.int64)
