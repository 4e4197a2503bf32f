# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Draw confusion matrices with counts and percentages from confusion_matrix.csv.

Each name becomes a panel of the figure (the paper's Figure 6). Matrices with the same name, e.g. of
several seeds or folds, are added up.

Examples:
    python tools/visualization/vis_confusion.py RAF-DB=work_dirs/a/confusion_matrix.csv
    # six panels, three per row
    python tools/visualization/vis_confusion.py RAF-DB=a.csv AffectNet=b.csv FERPlus=c.csv \\
        ExpW=d.csv SFEW=e.csv Aff-Wild2=f.csv --out figure6.png
"""

import sys
from collections.abc import Sequence

from mmfer.cli.figure_arguments import add_out, group_by_name, named_file, positive
from mmfer.utils.config_arguments import tool_parser


def main(argv: Sequence[str] | None = None) -> int:
    parser = tool_parser(__doc__)
    parser.add_argument(
        'files',
        nargs='+',
        type=named_file,
        metavar='NAME=FILE',
        help='confusion_matrix.csv of a test',
    )
    add_out(parser, 'confusion.png')
    parser.add_argument('--per-row', type=positive, default=3, help='panels per row (default: 3)')
    parser.add_argument('--title', default='', help='title of the figure (default: none)')
    args = parser.parse_args(argv)

    # Imported late, so that --help is quick.
    from mmfer.evaluation.confusion_matrix_file import add_confusion_matrices
    from mmfer.visualization.confusion_matrix import draw_confusion_matrices
    from mmfer.visualization.figures import save_figure

    matrices = {}
    try:
        for name, paths in group_by_name(args.files).items():
            if len(paths) > 1:
                name = f'{name} ({len(paths)} tests)'
            matrices[name] = add_confusion_matrices(paths)
        save_figure(draw_confusion_matrices(matrices, args.per_row, args.title), args.out)
    except (ValueError, FileNotFoundError) as error:
        sys.exit(f'error: {error}')
    print(f'{len(matrices)} confusion matrices drawn to {args.out}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
