# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Crop the faces of a dataset once, and write the annotation file for the dataset ``FaceCrops``.

    python tools/dataset_converters/to_crops.py WFLW data/wflw data/wflw_tight --kind tight
    python tools/dataset_converters/to_crops.py UTKFace data/utkface data/utkface_loose \\
        --kind loose --workers 8 --cfg-options split_file=my_split.csv
    python tools/dataset_converters/to_crops.py ExpW data/expw data/crops/expw --kind tight

An interrupted conversion resumes if the same command is run again. Faces that cannot be cropped are
listed with the reason in OUT/skipped.csv; the first ten are printed.

Exit status: 0 if every face has a crop; 1 if some have none (the others are still written); 2 if
the arguments, the dataset's layout or OUT are wrong; 130 after Ctrl-C.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from mmfer.preparation.command import add_crop_options, exit_status, print_report
from mmfer.utils.config_arguments import (
    add_config_options,
    add_workers_option,
    positive,
    tool_parser,
)

DATASETS = ('AffectNet', 'AffectNetHQ', 'CFP', 'ExpW', 'UTKFace', 'WFLW')


def main(argv: Sequence[str] | None = None) -> int:
    parser = tool_parser(__doc__)
    parser.add_argument('dataset', choices=DATASETS)
    parser.add_argument('data_root', help='folder of the dataset')
    parser.add_argument('out', type=Path, help='folder to write')
    parser.add_argument(
        '--kind',
        choices=('tight', 'loose'),
        required=True,
        help='tight: the face, for expression and landmarks; loose: with the hair, for age and '
        'recognition',
    )
    parser.add_argument(
        '--size', type=positive, default=256, help='side of a crop in pixels (default: 256)'
    )
    parser.add_argument(
        '--source',
        choices=('auto', 'landmarks', 'box', 'image'),
        default='auto',
        help='what the crop is computed from; auto: landmarks, else the face box, else the image '
        '(default: auto)',
    )
    add_crop_options(parser)
    add_workers_option(parser)
    add_config_options(
        parser, 'other arguments of the dataset, such as split_file=FILE or val_ratio=.1'
    )
    return exit_status(convert, parser.parse_args(argv))


def convert(args: argparse.Namespace) -> int:
    """Convert, print a report and return the exit status."""
    # Imported late, so that --help is quick.
    from mmengine.registry import init_default_scope
    from rich.progress import track

    from mmfer.preparation.convert_crops import SKIPPED, convert_crops, plan_crops
    from mmfer.preparation.dataset_parts import build_parts, plain_options

    init_default_scope('mmfer')
    options = plain_options(args.cfg_options)
    parts = build_parts(args.dataset, args.data_root, options)
    any_part = next(iter(parts.values()))
    # Stored, so that a folder with other defaults is not resumed: its crops would change splits.
    rules = {key: getattr(any_part, key) for key in ('by', 'split_rule') if hasattr(any_part, key)}
    # Files in no split, because their names have no label (UTKFace).
    nameless = getattr(any_part, 'bad_names', ())
    settings = {name: getattr(args, name) for name in ('kind', 'size', 'source', 'border')}
    report = convert_crops(
        plan_crops(parts, any_part.data_root, args.format),
        dict(type='CropFace', **settings),
        args.out,
        dict(any_part.metainfo, options={**rules, **options}),
        args.format,
        args.workers,
        lambda results, total: track(results, f'{args.dataset}, {args.kind} crops', total),
        nameless,
    )
    if nameless:
        print(f'{len(nameless)} files have no label in their name and are in no split')
    return print_report(report, args.out, SKIPPED)


if __name__ == '__main__':
    sys.exit(main())
