# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Reproduce the tables and figures of the papers on APViT and the KT-Adapter (kt-...).

Runs all trainings that a table needs, and writes the table as Markdown and CSV: the paper's value,
the measured mean and spread, and the difference. Stop it at any time; the same command resumes.
Rows that tables share are trained once. Without data, only columns such as FLOPs are computed.

Examples:
    python tools/reproduce.py --list
    python tools/reproduce.py table13 table14                  # costs only, needs no data
    python tools/reproduce.py table1 --data synth --seeds 3    # small models on drawn faces
    python tools/reproduce.py table5 --data-root data --databases RAF-DB --seeds 3
    python tools/reproduce.py figure6 --data-root /data RAF-DB=/archive/rafdb --gpus 2
    python tools/reproduce.py table11 --data-root data --protocol leak-free
    python tools/reproduce.py kt-table3 --data synth --seeds 3
    python tools/reproduce.py 'kt-table3/M to M' --data-root data --weights M/utkface-224px=age.pth
    python tools/reproduce.py all --data synth
    python tools/reproduce.py --print table5/3 > app-sum.py    # a row as a config of its own
    python tools/reproduce.py --print app-sum --databases AffectNet
    python tools/reproduce.py --print kt-table6/dm --databases utkface-224px

Exit status: 0 if all is done; 1 if a run failed; 2 if the arguments or the data are wrong; 130
after Ctrl-C.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mmfer.utils.config_arguments import add_config_options, tool_parser

if TYPE_CHECKING:
    from mmfer.reproduction.index import Experiment, Index
    from mmfer.reproduction.runs import Runs

_TOOLS = Path(__file__).resolve().parent
_CONFIGS = _TOOLS.parent / 'configs'
_PAPERS = ('apvit', 'kt_adapter')


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = tool_parser(__doc__)
    parser.add_argument(
        'experiments',
        nargs='*',
        metavar='NAME',
        help='table1 ... table15, figure5 ... , kt-table1 ... , or all; TABLE/ROW for one row and '
        'the rows that it is compared with',
    )
    parser.add_argument(
        '--list', action='store_true', help='list the experiments and their progress'
    )
    parser.add_argument(
        '--print',
        dest='row',
        metavar='ROW',
        help='print the full config of a row, for tools/train.py: TABLE/NUMBER, TABLE/VARIANT or '
        'VARIANT of an index; --databases, --data and --data-root select its training data '
        '(default: the first database of the table)',
    )
    parser.add_argument('--plan', action='store_true', help='list the required trainings, and exit')
    parser.add_argument(
        '--data',
        choices=['paper', 'synth', 'ferplus-small', 'paper-64px'],
        default='paper',
        help='paper: the databases of the paper; synth: small models on drawn faces, which need no '
        'files; ferplus-small: small APViTs on FERPlus, tested on its validation split; '
        'paper-64px: the databases of the KT-Adapter for the small MobileOne (default: paper)',
    )
    parser.add_argument(
        '--protocol',
        choices=['paper', 'leak-free'],
        default='paper',
        help='how databases are split: as in the papers, or so that no test data is used for '
        "training or for selecting an epoch, then without the paper's values (default: paper)",
    )
    parser.add_argument(
        '--data-root',
        nargs='+',
        action='extend',
        metavar='DIR',
        help='folder that contains the folders of the databases, and NAME=DIR for other places',
    )
    parser.add_argument(
        '--databases', nargs='+', metavar='NAME', help='columns of the table (default: all)'
    )
    parser.add_argument(
        '--seeds', type=int, default=1, metavar='N', help='trainings per row (default: 1)'
    )
    parser.add_argument(
        '--first-seed',
        type=int,
        default=0,
        metavar='SEED',
        help='first seed, to divide the seeds between machines (default: 0)',
    )
    parser.add_argument(
        '--work-dir',
        type=Path,
        default=Path('work_dirs/reproduce'),
        help='folder of runs and tables (default: work_dirs/reproduce)',
    )
    parser.add_argument(
        '--no-train', action='store_true', help='write the table of the finished runs only'
    )
    parser.add_argument(
        '--select',
        choices=['last', 'best'],
        default='last',
        help='which epoch of a run is tested: the last, or the best on the validation split by the '
        'first metric of the database; tables mark validation on the test list (default: last)',
    )
    parser.add_argument(
        '--weights',
        nargs='+',
        action='extend',
        default=[],
        metavar='VARIANT/DATABASE=FILE',
        help='existing checkpoints, e.g. of baselines, which are not trained again',
    )
    parser.add_argument(
        '--cache',
        action='store_true',
        help='train KT-Adapters without augmentation and compute the tokens of the priors only '
        'once; always on with --data synth',
    )
    parser.add_argument('--gpus', type=int, default=1, help='processes per training (default: 1)')
    add_config_options(parser, 'override settings of every training')
    add_config_options(parser, 'override settings of KT-Adapters only', name='--adapter-options')
    args = parser.parse_args(argv)
    if args.seeds < 1 or args.gpus < 1:
        parser.error(f'--seeds and --gpus must be 1 or more: {args.seeds}, {args.gpus}')
    if args.first_seed < 0:
        parser.error(f'--first-seed must be 0 or more: {args.first_seed}')
    if not args.experiments and not args.list and args.row is None:
        parser.error('name an experiment, such as table1, or use --list to see all of them')
    if args.data == 'synth' and args.data_root:
        parser.error('--data synth takes no --data-root')
    if args.data != 'paper' and args.protocol != 'paper':
        parser.error(f'--protocol {args.protocol} is for --data paper')
    return args


def read_indices() -> 'list[Index]':
    """Read the index of each paper."""
    from mmfer.reproduction.index import Index

    return [Index.from_file(_CONFIGS / paper / 'experiments.yml') for paper in _PAPERS]


def make_runs(args: argparse.Namespace, indices: 'Sequence[Index]') -> 'list[Runs]':
    """Create the runs of each paper from the arguments."""
    from mmfer.reproduction.index import ExperimentError
    from mmfer.reproduction.runs import Runs, Settings
    from mmfer.utils.config_options import parse_options

    databases = [name for index in indices for name in index.databases]
    root, roots, given = None, {}, {}
    for word in args.data_root or ():
        name, separator, folder = word.partition('=')
        if not separator:
            root = Path(word).resolve()
        elif name in databases:
            roots[name] = Path(folder).expanduser()  # shells do not, after an equals sign
        else:
            raise ExperimentError(
                f'--data-root {word}: {name!r} is not one of {", ".join(databases)}'
            )
    for word in args.weights:
        name, separator, path = word.partition('=')
        variant, _, database = name.rpartition('/')
        if not separator or not any(database in i.variants.get(variant, ()) for i in indices):
            raise ExperimentError(
                f'--weights {word}: write VARIANT/DATABASE=FILE, with a variant that the index has '
                'for this database, such as M/utkface-224px=age.pth'
            )
        given[variant, database] = Path(path).expanduser().resolve()
    try:
        options, adapter_options = map(parse_options, (args.cfg_options, args.adapter_options))
    except ValueError as error:
        raise ExperimentError(error) from error
    settings = Settings(
        # Absolute, so that runs do not depend on the current folder.
        work_dir=args.work_dir.resolve() / args.data,
        tools=_TOOLS,
        data_root=root,
        data_roots=roots,
        data=args.data,
        protocol=args.protocol,
        options=options,
        adapter_options=adapter_options,
        cache=args.cache,
        given=given,
        processes=args.gpus,
        select=args.select,
    )
    return [Runs(index, settings) for index in indices]


def find(name: str, all_runs: 'Sequence[Runs]') -> 'Runs':
    """Return the runs of the paper with this experiment, row or variant; if none, of the first."""
    first = name.partition('/')[0]
    names = [{**runs.index.variants, **runs.index.experiments} for runs in all_runs]
    found = [runs for runs, known in zip(all_runs, names, strict=True) if first in known]
    return (found or all_runs)[0]


def print_row(args: argparse.Namespace, all_runs: 'Sequence[Runs]') -> None:
    """Print the config of ``args.row`` on one database."""
    from mmfer.reproduction.index import ExperimentError

    paper, _, row = args.row.partition('/')
    if paper in _PAPERS and row:
        runs = all_runs[_PAPERS.index(paper)]
    else:
        runs, row = find(args.row, all_runs), args.row
    variant, databases = runs.index.find_row(row)
    if variant not in runs.index.variants:
        raise ExperimentError(
            f'--print {args.row}: it is the best of several rows; print one of them'
        )
    trained_on = [name for name in runs.index.databases if runs.variants.exists(name, variant)]
    wanted = args.databases
    if not wanted:
        stand_ins = runs.index.stand_ins.get(args.data, {})
        wanted = [stand_ins[name] for name in databases if name in stand_ins] or databases
    found = [name for name in wanted if name in trained_on]
    if not found or (args.databases and len(wanted) > 1):
        raise ExperimentError(
            f'--print {args.row}: --databases must be one of {", ".join(trained_on)}; '
            f'got {", ".join(wanted)}'
        )
    print(f'# {args.row} on {found[0]}, written by tools/reproduce.py --print.')
    print(runs.config(found[0], variant).pretty_text)


def choose(args: argparse.Namespace, all_runs: 'Sequence[Runs]') -> 'list[tuple[Runs, Experiment]]':
    """Return the experiments of the arguments, each with the runs of its paper."""
    from mmfer.reproduction.index import ExperimentError, select

    known = [name for runs in all_runs for name in runs.index.databases]
    if unknown := [name for name in args.databases or () if name not in known]:
        raise ExperimentError(f'--databases {unknown[0]!r} is not one of {", ".join(known)}')
    chosen = []
    for name in args.experiments:
        for runs in all_runs if name == 'all' else [find(name, all_runs)]:
            wanted = args.databases
            if wanted is not None:
                own = [it for it in wanted if it in runs.index.databases]
                if name == 'all' and not own:
                    continue
                wanted = own or wanted
            for experiment in select(runs.index, [name], wanted):
                if runs.has(experiment):
                    chosen.append((runs, experiment))
                elif name != 'all':
                    raise ExperimentError(
                        f'--data {args.data} has no databases or no rows for {experiment.name}; '
                        '--list shows what it has'
                    )
    return chosen


def run(args: argparse.Namespace) -> int:
    from mmengine.registry import init_default_scope

    from mmfer.reproduction.overview import list_experiments, list_stages
    from mmfer.reproduction.progress import Progress
    from mmfer.reproduction.published import Published
    from mmfer.reproduction.report import Report
    from mmfer.reproduction.runs import check

    init_default_scope('mmfer')
    all_runs = make_runs(args, read_indices())
    if args.row is not None:
        print_row(args, all_runs)
        return 0
    seeds = range(args.first_seed, args.first_seed + args.seeds)
    progress = Progress()
    if args.list:
        print(list_experiments(all_runs, seeds), end='')
        return 0
    chosen = choose(args, all_runs)
    if args.plan:
        for runs, experiment in chosen:
            print(list_stages(runs, experiment, seeds), end='')
        return 0
    reports = {}
    for paper, runs in zip(_PAPERS, all_runs, strict=True):
        published = Published.from_file(_CONFIGS / paper / 'published.yml')
        reports[runs] = Report(published, runs, seeds, progress)
    has_data = args.data == 'synth' or args.data_root or args.no_train
    if has_data and not args.no_train:
        for runs in all_runs:
            check(runs, [experiment for its, experiment in chosen if its is runs])
    for runs, experiment in chosen:
        if not has_data or not experiment.trains:
            reports[runs].costs(experiment)
        elif args.no_train:
            reports[runs].collect(experiment)
        else:
            reports[runs].reproduce(experiment)
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    # Imported late, so that --help is quick.
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
        print('interrupted; the same command resumes from here', file=sys.stderr)
        return 130


if __name__ == '__main__':
    sys.exit(main())
