# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import cv2
import numpy as np
import pytest

from mmfer.audit.perceptual_hash import MIRROR, count_bits, distance, hash_image
from mmfer.datasets import SynthFace


@pytest.fixture(scope='module')
def faces():
    drawn = SynthFace('train', num_samples=12, image_size=112)
    return [cv2.cvtColor(drawn[i]['img'], cv2.COLOR_BGR2GRAY) for i in range(12)]


def slow_dct(image):
    """Compute the cosine transform (type II, orthonormal) by its definition."""
    n = len(image)
    k = np.arange(n)
    basis = np.cos(np.pi * (2 * k[None] + 1) * k[:, None] / (2 * n)) * np.sqrt(2 / n)
    basis[0] /= np.sqrt(2)
    return basis @ image @ basis.T


def test_bits_are_signs_of_the_lowest_frequencies():
    image = np.random.default_rng(0).integers(0, 256, (32, 32), dtype=np.uint8)
    spectrum = slow_dct(image.astype(np.float64))
    order = sorted(
        ((u, v) for u in range(32) for v in range(32)), key=lambda f: (sum(f), max(f), f)
    )
    words = hash_image(image)[0]
    # The order of bits within a word is private, but not their order by words.
    for word, start in enumerate((1, 65, 129, 193)):
        positive = sum(spectrum[u, v] > 0 for u, v in order[start : start + 64])
        assert count_bits(words[word : word + 1]).sum() == positive


def test_light_and_size_change_little(faces):
    for face in faces:
        own = hash_image(face)[0]
        brighter = np.clip(face * 0.9 + 10, 0, 255).astype(np.uint8)
        larger = cv2.resize(face, (300, 250), interpolation=cv2.INTER_CUBIC)
        for changed in (brighter, larger):
            assert distance(own, hash_image(changed)[0]) <= 8  # of 256
    far = [
        distance(hash_image(a)[0], hash_image(b)[0]) for a, b in zip(faces, faces[1:], strict=False)
    ]
    assert min(far) > 60


def test_mirror_is_a_mask(faces):
    for face in faces:
        mirrored = hash_image(np.ascontiguousarray(face[:, ::-1]))
        # Frequencies near 0 may have either sign.
        assert distance(hash_image(face) ^ MIRROR, mirrored).max() <= 3
        assert distance(hash_image(face)[0], mirrored[0]) > 30


def test_margins_are_crops(faces):
    face = faces[0]
    margin = round(112 * 0.07)
    inner = np.ascontiguousarray(face[margin:-margin, margin:-margin])
    np.testing.assert_array_equal(hash_image(face)[2], hash_image(inner)[0])


def test_counts_of_bits_are_those_of_python():
    words = np.random.default_rng(0).integers(0, 2**64, (5, 4), dtype=np.uint64)
    assert count_bits(words).shape == (5, 16)
    expected = [sum(int(word).bit_count() for word in row) for row in words]
    assert count_bits(words).sum(-1).tolist() == expected
    np.testing.assert_array_equal(distance(words, np.zeros_like(words)), expected)
