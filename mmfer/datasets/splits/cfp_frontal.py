# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Splits of CFP's 5,000 frontal images, named ``001/01`` … ``500/10``: 3,500 train, 750 validate
and 750 test. Both follow from the numbers of people and images alone.
"""

from .by_hash import hash_of_name, split_by_rank

_PEOPLE = [f'{person:03d}' for person in range(1, 501)]
_IMAGES = [f'{image:02d}' for image in range(1, 11)]
_HELD_OUT = 3  # images a person gives to validation and testing together


def random_cfp_split() -> dict[str, str]:
    """Draw the images at random, whoever they show (:func:`.split_by_rank`, seed 0).

    Everybody is in training. 402 of the 500 people are in the test part, with up to six images and
    493 pairs of images of one person: 506 +- 19 are expected of such a draw.
    """
    return split_by_rank(f'{person}/{image}' for person in _PEOPLE for image in _IMAGES)


def stratified_cfp_split() -> dict[str, str]:
    """Take three images of everybody: one or two to test, the others to validate.

    Half of the people, those first by the hash of their number, give two images for testing and one
    for validation, the other half one and two; which ones, the hashes of the images' names say. The
    test part has everybody and exactly 250 pairs of images of one person.
    """
    two_for_testing = set(sorted(_PEOPLE, key=hash_of_name)[: len(_PEOPLE) // 2])
    parts = {}
    for person in _PEOPLE:
        num_test = 2 if person in two_for_testing else 1
        ranked = sorted((f'{person}/{image}' for image in _IMAGES), key=hash_of_name)
        for place, name in enumerate(ranked):
            parts[name] = 'test' if place < num_test else 'val' if place < _HELD_OUT else 'train'
    return parts
