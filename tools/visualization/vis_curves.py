# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Plot learning curves from the logs of one or several trainings.

An interrupted and resumed training is one curve. For several trainings with the same settings, e.g.
seeds, --group plots the mean and a band from the smallest to the largest value.

Examples:
    python tools/visualization/vis_curves.py work_dirs/a work_dirs/b --out curves.png
    python tools/visualization/vis_curves.py --group APViT s0 s1 s2 --group baseline b0 b1 b2 \\
        --keys loss accuracy/top1 lr --csv curves.csv
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from mmfer.cli.figure_arguments import add_out, positive
from mmfer.utils.config_arguments import tool_parser
from mmfer.utils.plural import plural

#: Default of --keys; those that were not logged are skipped.
DEFAULT_KEYS = ('loss', 'accuracy/top1', 'lr')


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = tool_parser(__doc__)
    parser.add_argument(
        'work_dirs', nargs='*', metavar='WORK_DIR', help='work folder of a training, one line each'
    )
    parser.add_argument(
        '--group',
        nargs='+',
        action='append',
        default=[],
        metavar=('NAME', 'WORK_DIR'),
        help='trainings plotted as one line with a band; may be repeated',
    )
    parser.add_argument(
        '--keys',
        nargs='+',
        metavar='KEY',
        help='logged values, one panel each (default: those of '
        f'{", ".join(DEFAULT_KEYS)} that were logged)',
    )
    parser.add_argument(
        '--smooth',
        type=positive,
        default=5,
        metavar='N',
        help='smooth training losses by the mean of N logged values, an odd number (default: 5)',
    )
    add_out(parser, 'curves.png')
    parser.add_argument(
        '--csv', metavar='FILE', help='also write the plotted values, not smoothed, as a table'
    )
    parser.add_argument('--title', default='', help='title (default: none)')
    args = parser.parse_args(argv)
    if not args.work_dirs and not args.group:
        parser.error('a WORK_DIR or a --group is required')
    for group in args.group:
        if len(group) < 2:
            parser.error(f'--group {group[0]}: needs a name and at least one WORK_DIR')
    return args


def name_runs(args: argparse.Namespace) -> dict[str, list[str]]:
    """Return name -> work folders; single ones get the folder's name, or its path if ambiguous."""
    runs = {}
    for name, *folders in args.group:
        runs.setdefault(name, []).extend(folders)
    for folder in args.work_dirs:
        path = Path(folder).resolve()
        alike = [other for other in args.work_dirs if Path(other).resolve().name == path.name]
        runs[path.name if len(alike) == 1 and path.name not in runs else folder] = [folder]
    return runs


def make_table(runs: dict[str, list[str]], logs: dict[str, list], keys: list[str]) -> str:
    """Return CSV with one line per value: run,work_dir,key,part,unit,step,value."""
    from mmfer.utils.csv_text import csv_text

    rows = [['run', 'work_dir', 'key', 'part', 'unit', 'step', 'value']]
    for name, folders in runs.items():
        for folder, log in zip(folders, logs[name], strict=True):
            for key in keys:
                if key not in log:
                    continue
                curve = log[key]
                for step, value in zip(curve.steps.tolist(), curve.values.tolist(), strict=True):
                    rows.append([name, folder, key, curve.part, curve.unit, step, value])
    return csv_text(rows)


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    # Imported late, so that --help is quick.
    from mmfer.analysis.training_logs import read_training_log
    from mmfer.utils.atomic_file import atomic_write
    from mmfer.visualization.figures import save_figure
    from mmfer.visualization.learning_curves import draw_learning_curves

    runs = name_runs(args)
    try:
        logs = {name: [read_training_log(path) for path in paths] for name, paths in runs.items()}
        logged = {key for group in logs.values() for log in group for key in log}
        keys = args.keys or [key for key in DEFAULT_KEYS if key in logged]
        figure = draw_learning_curves(logs, keys, smooth=args.smooth, title=args.title)
        save_figure(figure, args.out)
    except (ValueError, FileNotFoundError) as error:
        sys.exit(f'error: {error}')
    if args.csv:
        atomic_write(args.csv, make_table(runs, logs, keys).encode())
    print(f'{len(runs)} {plural(len(runs), "run")} drawn to {args.out}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
