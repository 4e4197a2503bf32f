# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Train baselines of the four facial tasks, then KT-Adapters, and print what they gain.

For every canonical task: the baselines of all tasks are trained (each once), the adapter learns
from the other three's frozen encoders, both are tested, and a table shows baseline, adapter, gain
and what the paper reports. Stop it at any time; the same command goes on.

Examples:
    python tools/kt_adapter/train_pipeline.py --canonical age
    python tools/kt_adapter/train_pipeline.py --canonical all --seeds 0 1 2
    python tools/kt_adapter/train_pipeline.py --data paper --encoder mobileone-s0 \\
        --priors convnext-v2-base --canonical landmarks --gpus 2
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mmfer.utils.config_arguments import add_config_options, tool_parser

if TYPE_CHECKING:
    from mmfer.reproduction.progress import Progress

_TOOLS = Path(__file__).resolve().parents[1]
_CONFIGS = _TOOLS.parent / 'configs' / 'kt_adapter'
_TASKS = ('expression', 'age', 'landmarks', 'recognition')  # mmfer.tasks.TASKS, without importing


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = tool_parser(__doc__)
    parser.add_argument(
        '--canonical',
        nargs='+',
        choices=[*_TASKS, 'all'],
        default=['expression'],
        metavar='TASK',
        help=f'tasks to train an adapter for: {", ".join(_TASKS)}, or all (default: expression)',
    )
    parser.add_argument(
        '--data',
        choices=['synthface', 'paper', 'paper-64px'],
        default='synthface',
        help="drawn faces, which need no files; the paper's four datasets; the same at 64x64 "
        'pixels for small nets (default: synthface)',
    )
    parser.add_argument(
        '--encoder',
        default='mobileone-micro',
        help='canonical encoder, as the configs are named (default: mobileone-micro)',
    )
    parser.add_argument(
        '--priors', help='encoder of the priors (default: the same as the canonical one)'
    )
    parser.add_argument('--num-priors', type=int, choices=[0, 1, 2, 3], help='default: 3')
    parser.add_argument('--seeds', type=int, nargs='+', default=[0], help='a run for each')
    parser.add_argument(
        '--work-dir', type=Path, default=Path('work_dirs/kt_adapter'), help='folder of all results'
    )
    parser.add_argument(
        '--cache',
        action='store_true',
        help='train adapters without augmentation and compute the prior tokens only once',
    )
    parser.add_argument(
        '--data-root',
        nargs='+',
        action='extend',
        default=[],
        metavar='TASK=DIR',
        help="folders of the tasks' datasets, instead of data/<name>",
    )
    parser.add_argument(
        '--baseline',
        nargs='+',
        action='extend',
        default=[],
        metavar='TASK=CHECKPOINT',
        help='trained baselines of the canonical encoder, which are then not trained',
    )
    parser.add_argument(
        '--prior-baseline',
        nargs='+',
        action='extend',
        default=[],
        metavar='TASK=CHECKPOINT',
        help="the same of the priors' encoder, if that is another one",
    )
    parser.add_argument('--gpus', type=int, default=1, help='processes for each training')
    add_config_options(parser, 'for every training')
    add_config_options(parser, 'for adapters only', name='--adapter-options')
    args = parser.parse_args(argv)
    args.canonical = _TASKS if 'all' in args.canonical else tuple(dict.fromkeys(args.canonical))
    args.priors = args.priors or args.encoder
    for name in ('data_root', 'baseline', 'prior_baseline'):
        setattr(args, name, _by_task(parser, f'--{name.replace("_", "-")}', getattr(args, name)))
    if args.prior_baseline and args.priors == args.encoder:
        parser.error('--prior-baseline is for another encoder than --encoder; use --baseline')
    return args


def _by_task(parser: argparse.ArgumentParser, option: str, pairs: list[str]) -> dict[str, str]:
    """Read ``TASK=VALUE`` arguments."""
    values = {}
    for pair in pairs:
        task, separator, value = pair.partition('=')
        if not separator or task not in _TASKS:
            parser.error(f'{option} takes TASK=..., with TASK one of {_TASKS}; got {pair!r}')
        values[task] = value
    return values


def run(args: argparse.Namespace, progress: 'Progress') -> str:
    """Do all stages and return the table."""
    import yaml

    from mmfer.reproduction.index import Index
    from mmfer.reproduction.kt_pipeline import Choice, KTPipeline
    from mmfer.reproduction.kt_results import make_rows, to_markdown
    from mmfer.reproduction.stages import Stage
    from mmfer.utils.atomic_file import atomic_write, atomic_write_json
    from mmfer.utils.config_options import parse_options

    given = {(args.priors, task): Path(p).resolve() for task, p in args.prior_baseline.items()}
    given |= {(args.encoder, task): Path(p).resolve() for task, p in args.baseline.items()}
    pipeline = KTPipeline(
        Choice(
            canonical=args.canonical,
            encoder=args.encoder,
            priors=args.priors,
            data=args.data,
            seeds=args.seeds,
            # Absolute, so that the settings are the same from wherever it is called.
            work_dir=args.work_dir.resolve(),
            num_priors=args.num_priors,
            cache=args.cache,
            data_roots=args.data_root,
            baselines=given,
            options=parse_options(args.cfg_options),
            adapter_options=parse_options(args.adapter_options),
            processes=args.gpus,
        ),
        Index.from_file(_CONFIGS / 'experiments.yml'),
        _TOOLS,
    )

    pipeline.check()

    def trained(stage: Stage) -> Path:
        with progress, stage.held(progress.say):
            stage.prepare()
            verb = 'have' if stage.is_trained else 'train'
            progress.say(f'{verb:5} {stage.name}')
            return stage.train(progress.tell)

    def tested(stage: Stage) -> dict[str, float]:
        with progress, stage.held(progress.say):
            progress.say(f'test  {stage.name}')
            return stage.test(progress.tell)

    results = {task: {'baseline': [], 'adapter': []} for task in args.canonical}
    for seed in args.seeds:
        for task in args.canonical:
            baseline = pipeline.baseline(task, args.encoder, seed)
            start = trained(baseline)
            priors = {
                other: trained(pipeline.baseline(other, args.priors, seed))
                for other in pipeline.prior_tasks(task)
            }
            adapter = pipeline.adapter(task, seed, start, priors)
            trained(adapter)
            results[task]['baseline'].append(tested(baseline))
            results[task]['adapter'].append(tested(adapter))

    published = yaml.safe_load((_CONFIGS / 'published.yml').read_text())
    rows = make_rows(results, published, args.encoder, args.priors, args.num_priors)
    table = to_markdown(rows)
    atomic_write(args.work_dir / 'results.md', table.encode())
    atomic_write_json(args.work_dir / 'results.json', results)
    return table


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    # Imported late so that --help answers at once.
    from mmfer.reproduction.progress import Progress
    from mmfer.reproduction.stages import StageError
    from mmfer.utils.config_options import UnknownOptionError

    progress = Progress()
    try:
        table = run(args, progress)
    except (StageError, UnknownOptionError, FileNotFoundError, ValueError) as error:
        progress.say('stopped')
        print(f'error: {error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        progress.say('interrupted; the same command goes on from here')
        return 130
    progress.say(f'done: {args.work_dir / "results.md"}')
    print(f'\n{args.priors} to {args.encoder}, {args.data}, seeds {args.seeds}\n\n{table}')
    if args.data != 'paper':
        print("The paper's figures are those of its own data and full-size encoders.")
    return 0


if __name__ == '__main__':
    sys.exit(main())
