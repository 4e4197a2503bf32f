# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Write split files for k-fold cross-validation, with people kept apart if wanted.

    python tools/dataset_converters/make_folds.py UTKFace OUT --data-root data/utkface --folds 5
    python tools/dataset_converters/make_folds.py CONFIG OUT --folds 5 --people '(\\d+)_[a-z]+'

OUT/fold0.csv tests on the first fold, validates on the second and trains on the others, and so on.
Each is for ``split_file`` of the dataset: read by all three data loaders, it makes one run of the
cross-validation. A single split with people kept apart is fold0.csv alone.

The folds depend on the names, the labels, --folds and --seed; not on the machine.

Exit status: 0 when the files are written, 2 when the arguments or the dataset's layout are wrong.
"""

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from mmfer.utils.config_arguments import add_config_options

DATASETS = ('UTKFace', 'CFP', 'AffectNetHQ')


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        'dataset',
        metavar='DATASET | CONFIG',
        help=f'one of {", ".join(DATASETS)}, or a config that trains on one of them',
    )
    parser.add_argument('out', type=Path, help='folder to write')
    parser.add_argument('--data-root', help="folder of the dataset (default: the config's)")
    parser.add_argument('--folds', type=int, default=5, help='how many (default: 5)')
    parser.add_argument('--seed', type=int, default=0, help='another choice (default: 0)')
    parser.add_argument(
        '--people',
        metavar='label | REGEX',
        help='keep people apart: they are the labels, or what a regular expression finds in the '
        'names of split files (its first group, or all of it); without this option, folds have '
        'the same share of each class or decade of age',
    )
    parser.add_argument('--no-val', action='store_true', help='no validation part')
    add_config_options(
        parser, 'further arguments of the dataset, such as folders.smiling=Happiness'
    )
    args = parser.parse_args(argv)
    if args.people and args.people != 'label':
        try:
            re.compile(args.people)
        except re.error as error:
            parser.error(f'--people {args.people!r} is no regular expression: {error}')
    return args


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    # Imported late: --help answers at once.
    from mmengine.registry import init_default_scope

    init_default_scope('mmfer')
    try:
        make(args)
    except (OSError, TypeError, ValueError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 2
    return 0


def make(args: argparse.Namespace) -> None:
    """Read the dataset, divide it and write the files."""
    from mmfer.datasets.splits import write_split_file
    from mmfer.preparation.dataset_parts import build_parts
    from mmfer.preparation.k_folds import disjoint_folds, parts_of_fold, stratified_folds

    name, data_root, options = dataset_of(args)
    samples = [
        (key, part.get_data_info(index))
        for part in build_parts(name, data_root, options).values()
        for index, key in enumerate(part.split_keys())
    ]
    samples.sort(key=lambda sample: sample[0])
    keys = [key for key, _ in samples]
    by_label = args.people == 'label'
    labels = [None if by_label else stratum(info) for _, info in samples]
    if args.people:
        people = [
            info['gt_label'] if by_label else person(key, args.people) for key, info in samples
        ]
        folds = disjoint_folds(keys, people, args.folds, labels, args.seed)
    else:
        people = None
        folds = stratified_folds(keys, args.folds, labels, args.seed)

    for fold in range(args.folds):
        parts = parts_of_fold(folds, fold, not args.no_val)
        counts = ', '.join(f'{parts.count(part)} {part}' for part in ('train', 'val', 'test'))
        comment = f'{name}: fold {fold} of {args.folds}, seed {args.seed}'
        if people:
            comment += f', people kept apart (--people {args.people})'
        path = args.out / f'fold{fold}.csv'
        write_split_file(path, zip(keys, parts, strict=True), f'{comment}\n{counts}')
        tested = '' if not people else f', {len(set(own(people, folds, fold)))} people tested'
        print(f'{path}: {counts}{tested}')


def dataset_of(args: argparse.Namespace) -> tuple[str, str, dict]:
    """Name, folder and further arguments of the dataset that is asked for."""
    from mmengine.config import Config

    from mmfer.preparation.dataset_parts import plain_options
    from mmfer.utils.dataset_config import unwrapped

    options = plain_options(args.cfg_options)
    if not args.dataset.endswith('.py'):
        name, data_root = args.dataset, args.data_root
    else:
        loader = Config.fromfile(args.dataset).to_dict().get('train_dataloader') or {}
        cfg = unwrapped(loader.get('dataset') or {})
        name, data_root = cfg.get('type'), args.data_root or cfg.get('data_root')
        given = {
            k: v for k, v in cfg.items() if k not in ('type', 'data_root', 'split', 'pipeline')
        }
        options = {**given, **options}
    if name not in DATASETS:
        raise ValueError(f'{args.dataset}: the dataset must be one of {DATASETS}, not {name!r}')
    if data_root is None:
        raise ValueError(f'{name}: say where it is with --data-root')
    return name, data_root, options


def stratum(info: dict) -> int | None:
    """Class of a sample, or the decade of its age."""
    if 'gt_label' in info:
        return int(info['gt_label'])
    return int(info['gt_age'] // 10) if 'gt_age' in info else None


def person(key: str, pattern: str) -> str:
    """What a regular expression finds in a name."""
    match = re.search(pattern, key)
    if not match:
        raise ValueError(f'--people {pattern!r} finds nothing in the name {key!r}')
    return match[1] if match.re.groups else match[0]


def own(values: list, folds: list[int], fold: int) -> list:
    """The values of a fold's samples."""
    return [value for value, each in zip(values, folds, strict=True) if each == fold]


if __name__ == '__main__':
    sys.exit(main())
