# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Perceptual hash of an image: small changes of the image change few bits."""

import cv2
import numpy as np

#: Borders that are cropped before hashing, as shares of the sides. The hash of a slightly cropped
#: copy is close to the hash of the original without such a border.
MARGINS = (0.0, 0.035, 0.07)

#: Number of 64-bit words of a hash. The first word has the lowest frequencies, for the search.
NUM_WORDS = 4

_SIZE = 32


def _frequencies() -> np.ndarray:
    """Return the vertical and horizontal frequency of each bit, lowest first, without the mean.

    Shape (256, 2).
    """
    every = ((u, v) for u in range(_SIZE) for v in range(_SIZE))
    order = np.array(sorted(every, key=lambda uv: (sum(uv), max(uv), uv)))[1 : 64 * NUM_WORDS + 1]
    # Neighbors go to different quarters of the first word: the search uses one quarter at a time,
    # so all quarters should be equally informative.
    order[:64] = order[:64].reshape(16, 4, 2).swapaxes(0, 1).reshape(64, 2)
    return order


def _pack(bits: np.ndarray) -> np.ndarray:
    return np.packbits(bits, axis=-1).view(np.uint64)


_FREQUENCIES = _frequencies()

#: XOR with this mask turns the hash of an image into that of its mirror image: mirroring flips
#: only the signs of the odd horizontal frequencies.
MIRROR = _pack(_FREQUENCIES[:, 1] % 2 == 1)

_BITS_OF = np.array([number.bit_count() for number in range(2**16)], np.uint8)


def hash_image(gray: np.ndarray) -> np.ndarray:
    """Hash an image: the signs of the 256 lowest frequencies of its cosine transform.

    The image is first resized to 32x32, so the hash does not depend on its size or aspect ratio.
    Changes of brightness or contrast change no sign.

    Args:
        gray (np.ndarray): (H, W), uint8.

    Returns:
        (3, 4), uint64: one hash for each of :data:`MARGINS`.
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
    """Return the number of ones in each quarter of 64-bit words: (..., N) -> (..., 4 N), uint8."""
    return _BITS_OF[np.ascontiguousarray(words).view(np.uint16)]


def distance(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the number of bits in which hashes differ: two (..., words) -> (...)."""
    return count_bits(first ^ second).sum(-1, dtype=np.int64)
