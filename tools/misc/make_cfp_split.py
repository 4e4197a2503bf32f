# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Derive the parts of CFP's frontal images, mmfer/datasets/splits/cfp_frontal.csv, once more.

    python tools/misc/make_cfp_split.py cfp_frontal.csv

The rule needs the numbers of people and images only. Everyone is in every part:

* the people 001 ... 500 are ranked by the SHA-256 of ``0:001`` ... ``0:500``; the first half of the
  ranking gives two images for testing and one for validation, the second half one and two;
* within a person the images 01 ... 10 are ranked by the SHA-256 of ``0:001/01`` ...; the first are
  for testing, the next for validation, the other seven for training.

So 750 images (15 %) are for testing, 750 for validation and 3,500 for training.
"""

import sys
from collections.abc import Sequence

from mmfer.utils.config_arguments import tool_parser

PEOPLE = [f'{person:03d}' for person in range(1, 501)]
IMAGES = [f'{image:02d}' for image in range(1, 11)]
HELD_OUT = 3  # images a person gives to validation and testing together


def parts() -> list[tuple[str, str]]:
    """(``person/image``, part) of all images, in the order of their names."""
    # Imported late: --help answers at once.
    from mmfer.datasets.splits import hash_of_name

    two_for_testing = set(sorted(PEOPLE, key=hash_of_name)[: len(PEOPLE) // 2])
    chosen = {}
    for person in PEOPLE:
        num_test = 2 if person in two_for_testing else 1
        names = sorted((f'{person}/{image}' for image in IMAGES), key=hash_of_name)
        for place, name in enumerate(names):
            chosen[name] = 'test' if place < num_test else 'val' if place < HELD_OUT else 'train'
    return sorted(chosen.items())


def main(argv: Sequence[str] | None = None) -> int:
    parser = tool_parser(__doc__)
    parser.add_argument('target', help='file to write')
    args = parser.parse_args(argv)
    from mmfer.datasets.splits import write_split_file

    comment = (
        "Parts of CFP's frontal images, person/image: 3,500 train, 750 val, 750 test.\n"
        'Made by tools/misc/make_cfp_split.py, which states the rule.'
    )
    write_split_file(args.target, parts(), comment)
    return 0


if __name__ == '__main__':
    sys.exit(main())
