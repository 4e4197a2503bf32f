# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Write which picture of a dataset is for training, validation and testing to a file.

    python tools/dataset_converters/write_split.py UTKFace data/utkface utkface_split.csv

    python tools/dataset_converters/write_split.py ExpW data/expw expw_split.csv \\
        --cfg-options by=face

For datasets whose split is mmfer's own. The file has a line ``name,split`` for each picture, or for
each face where the split divides faces, can be given out with a result, and is read back by
``split_file`` of the dataset.
"""

import argparse
import sys
from collections.abc import Sequence

from mmfer.utils.config_arguments import add_config_options

DATASETS = ('UTKFace', 'CFP', 'AffectNetHQ', 'ExpW')


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('dataset', choices=DATASETS)
    parser.add_argument('data_root', help='folder of the dataset')
    parser.add_argument('target', help='file to write')
    add_config_options(
        parser, 'further arguments of the dataset, such as by=face or folders.smiling=Happiness'
    )
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    # Imported late: --help answers at once.
    from mmengine.registry import init_default_scope

    from mmfer.datasets.splits import write_split_file
    from mmfer.preparation.dataset_parts import build_parts, plain_options

    init_default_scope('mmfer')
    try:
        parts = build_parts(args.dataset, args.data_root, plain_options(args.cfg_options))
    except (FileNotFoundError, TypeError, ValueError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 2
    # A picture with several faces has several samples and one line.
    lines = {(key, part) for part, dataset in parts.items() for key in dataset.split_keys()}
    counts = ', '.join(f'{len(dataset)} {part}' for part, dataset in parts.items())
    write_split_file(args.target, sorted(lines), f'{args.dataset}: {counts}')
    print(f'{args.target}: {counts}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
