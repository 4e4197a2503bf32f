# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Plot the accuracy of every class, for one or several tests side by side.

A file is the metrics of a test (tools/test.py --out metrics.json) or its confusion_matrix.csv.
Files with the same name are repetitions: their mean is plotted, with an error bar of one standard
deviation.

Examples:
    python tools/visualization/vis_classes.py APViT=a/metrics.json baseline=b/metrics.json
    # three seeds
    python tools/visualization/vis_classes.py APViT=s0/metrics.json APViT=s1/metrics.json \\
        APViT=s2/metrics.json --out classes.pdf
"""

import sys
from collections.abc import Sequence

from mmfer.cli.figure_arguments import add_out, group_by_name, named_file
from mmfer.utils.config_arguments import tool_parser


def main(argv: Sequence[str] | None = None) -> int:
    parser = tool_parser(__doc__)
    parser.add_argument(
        'files',
        nargs='+',
        type=named_file,
        metavar='NAME=FILE',
        help='metrics (.json, .yaml) or confusion_matrix.csv of a test',
    )
    add_out(parser, 'classes.png')
    parser.add_argument('--title', default='', help='title (default: none)')
    args = parser.parse_args(argv)

    # Imported late, so that --help is quick.
    from mmfer.analysis.class_accuracies import mean_and_spread, read_class_accuracies
    from mmfer.visualization.class_bars import draw_class_bars
    from mmfer.visualization.figures import save_figure

    series, spreads = {}, {}
    try:
        for name, paths in group_by_name(args.files).items():
            tests = [read_class_accuracies(path) for path in paths]
            if len(tests) > 1:
                name = f'{name} (mean and standard deviation of {len(tests)})'
            series[name], spreads[name] = mean_and_spread(tests)
        figure = draw_class_bars(series, spreads=spreads, title=args.title)
        save_figure(figure, args.out)
    except (ValueError, FileNotFoundError) as error:
        sys.exit(f'error: {error}')
    print(f'{len(series)} models drawn to {args.out}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
