# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Write the images in the rows of fer2013.csv to files, to align them or to look at them.

    python tools/dataset_converters/fer2013_to_images.py data/ferplus data/ferplus/images

The images are gray PNG files of 48x48 in OUT/FER2013Train, FER2013Valid and FER2013Test, named as
in fer2013new.csv. Images without a name there, which show no face, are skipped. The dataset FERPlus
reads the files with image_dir='images'. Existing files are kept.

Exit status: 0 if all is done, 2 if a file is missing or wrong.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from mmfer.preparation.command import exit_status
from mmfer.utils.config_arguments import tool_parser


def main(argv: Sequence[str] | None = None) -> int:
    parser = tool_parser(__doc__)
    parser.add_argument('data_root', help='folder with fer2013.csv and fer2013new.csv')
    parser.add_argument('out', type=Path, help='folder to write')
    return exit_status(write, parser.parse_args(argv))


def write(args: argparse.Namespace) -> int:
    # Imported late, so that --help is quick.
    from rich.progress import track

    from mmfer.datasets.fer2013_backend import Fer2013Backend
    from mmfer.datasets.ferplus_files import VOTES_FILE, find_named_images
    from mmfer.utils.atomic_file import atomic_write
    from mmfer.utils.inside import path_inside

    named = find_named_images(args.data_root)
    source = Path(args.data_root, VOTES_FILE)
    images = [(path_inside(args.out, path, source), uri) for path, uri in named]
    new = [(path, uri) for path, uri in images if not path.is_file()]
    for path, uri in track(new, 'images'):
        atomic_write(path, Fer2013Backend().get(uri))
    print(f'{args.out}: {len(images)} images, {len(new)} of them new')
    return 0


if __name__ == '__main__':
    sys.exit(main())
