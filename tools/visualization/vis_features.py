# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Plot features by t-SNE: of one model before and after the KT-Adapter, or of several models side
by side, as in Figures 6 and 7 of the KT-Adapter paper.

"Before" is the average of the canonical encoder's feature map, "after" is the input of the decoder.
A model without an adapter has one panel. For several models, which get the same faces, each panel
shows the input of the decoder. The numbers under a panel are computed from the features, not from
the plot.

Examples:
    python tools/visualization/vis_features.py CONFIG CHECKPOINT --out features.png
    # a baseline and a KT-Adapter
    python tools/visualization/vis_features.py CONFIG CHECKPOINT --versus CONFIG CHECKPOINT \\
        --labels "M (baseline)" "C to M" --out features.png
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from mmfer.cli.exit_status import exit_status
from mmfer.cli.figure_arguments import add_versus, make_parser
from mmfer.utils.config_arguments import add_former_name, positive
from mmfer.utils.timing_options import check_names

COLORS = ('auto', 'label', 'age', 'none')


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = make_parser(__doc__, 'features.png', 1000, '1000')
    add_versus(parser)
    parser.add_argument(
        '--labels',
        nargs='+',
        metavar='TITLE',
        help='with --versus: titles of the panels (default: config names)',
    )
    parser.add_argument(
        '--max-classes',
        type=positive,
        default=10,
        metavar='N',
        help='with --versus: plot only the N classes or people with the most faces '
        '(default: %(default)s)',
    )
    color = parser.add_argument(
        '--color',
        choices=COLORS,
        default='auto',
        help='color of the points; auto: by age if the model predicts ages, otherwise by class if '
        'the data has classes (default: auto)',
    )
    add_former_name(parser, '--colour', color)
    parser.add_argument('--seed', type=int, default=0, help='seed of t-SNE (default: 0)')
    args = parser.parse_args(argv)
    args.models = [(args.config, args.checkpoint), *args.versus]
    if args.labels and len(args.labels) != len(args.models):
        parser.error(f'{len(args.models)} models but {len(args.labels)} --labels')
    args.labels = args.labels or [Path(config).stem for config, _ in args.models]
    check_names(parser, args.labels)
    return args


def main(argv: Sequence[str] | None = None) -> int:
    return exit_status(draw, parse_args(argv))


def draw(args: argparse.Namespace) -> None:
    # Imported late, so that --help is quick.
    from mmfer.analysis.compare_features import compare_features, draw_features
    from mmfer.visualization.figures import save_figure

    options = dict(
        color=args.color,
        split=args.split,
        num=args.num,
        seed=args.seed,
        cfg_options=args.cfg_options,
        device=args.device,
    )
    if args.versus:
        models = [(label, *model) for label, model in zip(args.labels, args.models, strict=True)]
        figure = compare_features(models, max_classes=args.max_classes, **options)
    else:
        figure = draw_features(args.config, args.checkpoint, **options)
    save_figure(figure, args.out)
    print(f'{figure.get_suptitle()} drawn to {args.out}')


if __name__ == '__main__':
    sys.exit(main())
