# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Write a file that lists which images of a dataset are for training, validation and testing.

    python tools/dataset_converters/write_split.py UTKFace data/utkface utkface_split.csv

    python tools/dataset_converters/write_split.py ExpW data/expw expw_split.csv \\
        --cfg-options by=image

For datasets with a split defined by mmfer. The file has a line ``name,split`` per image, or per
face if faces are split. Publish it with your results; ``split_file`` of the dataset reads it.
"""

import argparse
import sys
from collections.abc import Sequence

from mmfer.preparation.command import exit_status
from mmfer.utils.config_arguments import add_config_options, tool_parser

DATASETS = ('UTKFace', 'CFP', 'AffectNetHQ', 'ExpW')


def main(argv: Sequence[str] | None = None) -> int:
    parser = tool_parser(__doc__)
    parser.add_argument('dataset', choices=DATASETS)
    parser.add_argument('data_root', help='folder of the dataset')
    parser.add_argument('target', help='file to write')
    add_config_options(
        parser, 'other arguments of the dataset, such as by=image or folders.smiling=Happiness'
    )
    return exit_status(write, parser.parse_args(argv))


def write(args: argparse.Namespace) -> int:
    # Imported late, so that --help is quick.
    from mmengine.registry import init_default_scope

    from mmfer.preparation.dataset_parts import plain_options, write_split

    init_default_scope('mmfer')
    options = plain_options(args.cfg_options)
    print(f'{args.target}: {write_split(args.dataset, args.data_root, options, args.target)}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
