# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Write split files for k-fold cross-validation, optionally with every person in one fold only.

    python tools/dataset_converters/make_folds.py UTKFace OUT --data-root data/utkface --folds 5
    python tools/dataset_converters/make_folds.py CONFIG OUT --folds 5 --people '(\\d+)_[a-z]+'

OUT/fold0.csv tests on the first fold, validates on the second and trains on the others, and so on.
Set ``split_file`` of the dataset to one of them, in all three data loaders, for one run of the
cross-validation. For a single split by people, use only fold0.csv.

The folds depend on the names, the labels, --folds and --seed, not on the machine.

Exit status: 0 if the files were written, 2 if the arguments or the dataset's layout are wrong.
"""

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from mmfer.preparation.command import exit_status
from mmfer.utils.config_arguments import add_config_options, tool_parser

DATASETS = ('UTKFace', 'CFP', 'AffectNetHQ')


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = tool_parser(__doc__)
    parser.add_argument(
        'dataset',
        metavar='DATASET | CONFIG',
        help=f'one of {", ".join(DATASETS)}, or a config that trains on one of them',
    )
    parser.add_argument('out', type=Path, help='folder to write')
    parser.add_argument('--data-root', help="folder of the dataset (default: the config's)")
    parser.add_argument('--folds', type=int, default=5, help='number of folds (default: 5)')
    parser.add_argument(
        '--seed', type=int, default=0, help='another seed gives other folds (default: 0)'
    )
    parser.add_argument(
        '--people',
        metavar='label | REGEX',
        help='put all images of a person into one fold; people are the labels, or what a regular '
        'expression finds in the names of split files (its first group, if it has one). Without '
        'this option, all folds have the same share of each class or decade of age',
    )
    parser.add_argument('--no-val', action='store_true', help='no validation split')
    add_config_options(parser, 'other arguments of the dataset, such as folders.smiling=Happiness')
    args = parser.parse_args(argv)
    if args.people and args.people != 'label':
        try:
            re.compile(args.people)
        except re.error as error:
            parser.error(f'--people {args.people!r} is not a regular expression: {error}')
    return args


def main(argv: Sequence[str] | None = None) -> int:
    return exit_status(make, parse_args(argv))


def make(args: argparse.Namespace) -> int:
    """Write the folds, print their counts and return the exit status."""
    # Imported late, so that --help is quick.
    from mmengine.registry import init_default_scope

    from mmfer import registry
    from mmfer.preparation.dataset_parts import plain_options
    from mmfer.preparation.fold_files import dataset_of_config, write_folds
    from mmfer.utils.components import component_class

    init_default_scope('mmfer')
    given = dict(type=args.dataset)
    if args.dataset.endswith('.py'):
        given = dataset_of_config(args.dataset)
    kind, data_root = given.pop('type', None), given.pop('data_root', None)
    name = getattr(component_class(kind, registry.DATASETS), '__name__', kind)
    data_root = args.data_root or data_root
    if name not in DATASETS:
        raise ValueError(f'{args.dataset}: the dataset must be one of {DATASETS}, not {name!r}')
    if data_root is None:
        raise ValueError(f'{name}: --data-root is required')
    options = {**given, **plain_options(args.cfg_options)}
    written = write_folds(
        *(name, data_root, options, args.out, args.folds, args.seed, args.people),
        with_val=not args.no_val,
    )
    for line in written:
        print(line)
    return 0


if __name__ == '__main__':
    sys.exit(main())
