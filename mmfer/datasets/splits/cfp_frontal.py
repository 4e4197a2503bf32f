# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Splits of CFP's 5,000 frontal images, named ``001/01`` … ``500/10``: 3,500 for training, 750 for
validation and 750 for testing. Both follow from the numbers of people and images alone.
"""

from .by_hash import hash_of_name, split_by_rank

_PEOPLE = [f'{person:03d}' for person in range(1, 501)]
_IMAGES = [f'{image:02d}' for image in range(1, 11)]
_HELD_OUT = 3  # images per person for validation and testing together


def random_cfp_split() -> dict[str, str]:
    """Draw the images at random, regardless of the person (:func:`.split_by_rank`, seed 0).

    Every person is in training. 402 of the 500 people are in the test split, with up to six images
    and 493 pairs of images of one person; 506 +- 19 are expected for a random draw.
    """
    return split_by_rank(f'{person}/{image}' for person in _PEOPLE for image in _IMAGES)


def stratified_cfp_split() -> dict[str, str]:
    """Hold out three images of every person: one or two for testing, the others for validation.

    Half of the people, those with the lowest hashes of their number, have two test images and one
    validation image, the other half one and two. The hashes of the image names select them. The
    test split has every person and exactly 250 pairs of images of one person.
    """
    two_for_testing = set(sorted(_PEOPLE, key=hash_of_name)[: len(_PEOPLE) // 2])
    parts = {}
    for person in _PEOPLE:
        num_test = 2 if person in two_for_testing else 1
        ranked = sorted((f'{person}/{image}' for image in _IMAGES), key=hash_of_name)
        for place, name in enumerate(ranked):
            parts[name] = 'test' if place < num_test else 'val' if place < _HELD_OUT else 'train'
    return parts
