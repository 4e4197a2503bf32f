# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Reproduce the tables and figures of the APViT paper.

Trains what a table needs, each run once, and writes it as Markdown and CSV: the paper's value,
measured mean and spread, difference. Stop it at any time; the same command goes on. Rows that
tables share are trained once. Without data, the columns that need none (FLOPs) are computed.

Examples:
    python tools/reproduce.py --list
    python tools/reproduce.py table13 table14                  # costs only, needs no data
    python tools/reproduce.py table1 --data synth --seeds 3    # small nets on drawn faces
    python tools/reproduce.py table5 --data-root data --databases RAF-DB --seeds 3
    python tools/reproduce.py figure6 --data-root /data RAF-DB=/archive/rafdb --gpus 2
    python tools/reproduce.py all --data synth
    python tools/reproduce.py --print table5/3 > app-sum.py    # a row as a config of its own
    python tools/reproduce.py --print app-sum --databases AffectNet
    python tools/reproduce.py --print kt_adapter/table6/dm --databases utkface-224px

Exit status: 0 when it is done; 1 when a run failed; 2 when the arguments or the data are wrong;
130 when it was interrupted.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mmfer.utils.config_arguments import add_config_options, tool_parser

if TYPE_CHECKING:
    from mmfer.reproduction.index import Index
    from mmfer.reproduction.runs import Runs

_TOOLS = Path(__file__).resolve().parent
_CONFIGS = _TOOLS.parent / 'configs'
_INDEX = _CONFIGS / 'apvit' / 'experiments.yml'
_PUBLISHED = _INDEX.with_name('published.yml')


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = tool_parser(__doc__)
    parser.add_argument(
        'experiments', nargs='*', metavar='NAME', help='table1 ... table15, figure5 ... , or all'
    )
    parser.add_argument('--list', action='store_true', help='show what there is, and how far it is')
    parser.add_argument(
        '--print',
        dest='row',
        metavar='ROW',
        help='print the whole config of a row, for tools/train.py: TABLE/NUMBER, TABLE/VARIANT or '
        'VARIANT of the index, kt_adapter/... of the KT-Adapter; --databases, --data and '
        '--data-root choose what it is trained on (default: the first database of the table)',
    )
    parser.add_argument(
        '--plan', action='store_true', help='show the trainings that it takes, and do nothing'
    )
    parser.add_argument(
        '--data',
        choices=['paper', 'synth'],
        default='paper',
        help="the paper's databases, or small nets on drawn faces, which need no files "
        '(default: paper)',
    )
    parser.add_argument(
        '--data-root',
        nargs='+',
        action='extend',
        metavar='DIR',
        help="folder that holds the databases' folders, and NAME=DIR for those elsewhere",
    )
    parser.add_argument(
        '--databases', nargs='+', metavar='NAME', help='columns to do (default: all of the table)'
    )
    parser.add_argument(
        '--seeds', type=int, default=1, metavar='N', help='trainings of each row (default: 1)'
    )
    parser.add_argument(
        '--work-dir',
        type=Path,
        default=Path('work_dirs/reproduce'),
        help='folder of runs and tables (default: work_dirs/reproduce)',
    )
    parser.add_argument(
        '--no-train', action='store_true', help='write the table of what is done already'
    )
    parser.add_argument(
        '--select',
        choices=['last', 'best'],
        default='last',
        help='what counts of a run: the test of its last epoch, or of the one with the best '
        'validation accuracy, if a checkpoint of it was kept; on RAF-DB, AffectNet, SFEW and '
        'Aff-Wild2 validation is on the test pictures (default: last)',
    )
    parser.add_argument('--gpus', type=int, default=1, help='processes for each training')
    add_config_options(parser, 'for every training')
    args = parser.parse_args(argv)
    if args.seeds < 1 or args.gpus < 1:
        parser.error(f'--seeds and --gpus must be 1 or more: {args.seeds}, {args.gpus}')
    if not args.experiments and not args.list and args.row is None:
        parser.error('say what to reproduce, such as table1, or --list to see what there is')
    if args.data == 'synth' and (args.data_root or args.databases):
        parser.error('--data synth takes no --data-root and no --databases')
    return args


def make_runs(args: argparse.Namespace, index: 'Index') -> 'Runs':
    """How runs are made, from the arguments."""
    from mmfer.reproduction.index import ExperimentError
    from mmfer.reproduction.runs import Runs, Settings
    from mmfer.utils.config_options import parse_options

    root, roots = None, {}
    for word in args.data_root or ():
        name, separator, folder = word.partition('=')
        if not separator:
            root = Path(word).resolve()
        elif name in index.databases:
            roots[name] = Path(folder)
        else:
            raise ExperimentError(
                f'--data-root {word}: no database of {", ".join(index.databases)}'
            )
    settings = Settings(
        # Absolute, so that runs are the same from wherever it is called.
        work_dir=args.work_dir.resolve() / args.data,
        tools=_TOOLS,
        data_root=root,
        data_roots=roots,
        synth=args.data == 'synth',
        options=parse_options(args.cfg_options),
        processes=args.gpus,
        select=args.select,
    )
    return Runs(index, settings)


def print_row(args: argparse.Namespace) -> None:
    """Print the config of ``args.row`` on one database."""
    from mmfer.reproduction.index import ExperimentError, Index
    from mmfer.reproduction.runs import DRAWN

    paper, _, row = args.row.partition('/')
    folder = _CONFIGS / paper
    if not row or not (folder / _INDEX.name).is_file():
        folder, row = _INDEX.parent, args.row
    runs = make_runs(args, Index.from_file(folder / _INDEX.name))
    variant, databases = runs.index.find_row(row)
    trained_on = [name for name in runs.index.databases if runs.variants.exists(name, variant)]
    wanted = args.databases or ([DRAWN] if args.data == 'synth' else databases)
    found = [name for name in wanted if name in trained_on]
    if not found or (args.databases and len(wanted) > 1):
        raise ExperimentError(
            f'--print {args.row}: a row is printed for one database of {", ".join(trained_on)}; '
            f'got {", ".join(wanted)}'
        )
    print(f'# {args.row} on {found[0]}, written by tools/reproduce.py --print.')
    print(runs.config(found[0], variant).pretty_text)


def run(args: argparse.Namespace) -> int:
    from mmengine.registry import init_default_scope

    from mmfer.reproduction.index import Index, select
    from mmfer.reproduction.overview import list_experiments, list_stages
    from mmfer.reproduction.progress import Progress
    from mmfer.reproduction.report import Report
    from mmfer.reproduction.runs import check

    init_default_scope('mmfer')
    if args.row is not None:
        print_row(args)
        return 0
    index = Index.from_file(_INDEX)
    runs = make_runs(args, index)
    seeds = range(args.seeds)
    if args.list:
        print(list_experiments(runs, seeds), end='')
        return 0
    experiments = select(index, args.experiments, args.databases)
    if args.plan:
        for experiment in experiments:
            print(list_stages(runs, experiment, seeds), end='')
        return 0
    report = Report.from_file(_PUBLISHED, runs, seeds, Progress())
    has_data = args.data == 'synth' or args.data_root or args.no_train
    if has_data and not args.no_train:
        check(runs, experiments)
    for experiment in experiments:
        if not has_data:
            report.costs(experiment)
        elif args.no_train:
            report.collect(experiment)
        else:
            report.reproduce(experiment)
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    # Imported late so that --help answers at once.
    from mmfer.reproduction.index import ExperimentError
    from mmfer.reproduction.stages import StageError
    from mmfer.utils.config_options import UnknownOptionError

    try:
        return run(args)
    except StageError as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    except (ExperimentError, UnknownOptionError, FileNotFoundError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print('interrupted; the same command goes on from here', file=sys.stderr)
        return 130


if __name__ == '__main__':
    sys.exit(main())
