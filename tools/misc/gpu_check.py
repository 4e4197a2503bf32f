# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Check on a GPU what tests on a CPU cannot check, and print a table of results and speed.

Every step runs a tool in its own process, with its output in WORK_DIR/STEP.log. A step that fails
or takes too long does not stop the others. docs/gpu.md explains how to copy data and packages to a
machine without a network.

Examples:
    python tools/misc/gpu_check.py --ferplus ferplus.tar.gz --minutes 9
    python tools/misc/gpu_check.py --ferplus data/ferplus --only data training
    python tools/misc/gpu_check.py --small    # small models, no data, on a CPU: test this script

Exit status: 0 if all steps are done, 1 if one failed.
"""

import argparse
import json
import re
import sys
import time
from collections.abc import Sequence
from functools import partial
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

from mmfer.utils.config_arguments import positive, tool_parser

if TYPE_CHECKING:
    from mmfer.benchmark.step_table import StepTable

ROOT = Path(__file__).resolve().parents[2]
APVIT = 'apvit_ir50-vit-small_1xb128-20e_ferplus-112px'
ADAPTER = 'kt-adapter_convnext-v2-base-to-mobileone-s0_1xb32-30e_affectnet-hq-224px'
SMALL_ADAPTER = 'kt-adapter_mobileone-micro-to-mobileone-micro_1xb32-10e_synthface-age-64px'
#: Draws its faces: for --small, and without FERPlus.
DRAWN = 'apvit_resnet18-vit-tiny_1xb16-12e_synthface-64px'
SMALL_FERPLUS = 'apvit_resnet18-vit-tiny_1xb128-30e_ferplus-48px'
STEPS = ('tests', 'precision', 'processes', 'data', 'training', 'ratios')
#: Seconds for the steps after training; for training besides its epochs (imports, compiling, the
#: checkpoint); and for an epoch besides its training steps (validation, start of the workers).
AFTER, BEFORE, BESIDE = 75, 100, 5
WRAPPERS = dict(
    bf16=['type=BFloat16OptimWrapper'],
    fp16=['type=AmpOptimWrapper', 'dtype=float16', 'loss_scale=dynamic'],
)


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = tool_parser(__doc__)
    parser.add_argument(
        '--ferplus',
        type=Path,
        metavar='PATH',
        help='archive of pack_ferplus.py, or folder with fer2013new.csv and images/; without it a '
        'small model trains on drawn faces',
    )
    parser.add_argument(
        '--minutes',
        type=float,
        default=9,
        help='time for all steps; limits the number of epochs (default: 9)',
    )
    parser.add_argument(
        '--epochs', type=positive, default=20, help='largest number of epochs (default: 20)'
    )
    parser.add_argument(
        '--workers', type=positive, default=14, help='processes that load images (default: 14)'
    )
    parser.add_argument(
        '--work-dir',
        type=Path,
        default=Path('work_dirs/gpu_check'),
        help='each run gets a folder in it (default: %(default)s)',
    )
    parser.add_argument('--only', nargs='+', choices=STEPS, default=STEPS, metavar='STEP')
    parser.add_argument(
        '--small', action='store_true', help='small models, few steps; also works on a CPU'
    )
    return parser.parse_args(argv)


def python(tool: str, *words) -> list:
    return [sys.executable, '-W', 'ignore', ROOT / 'tools' / tool, *words]


def config(name: str) -> Path:
    return next(ROOT.glob(f'configs/*/{name}.py'))


def ferplus_options(folder: Path, *parts: str) -> list[str]:
    options = (f'data_root={folder}', 'image_dir=images')
    return [f'{part}_dataloader.dataset.{option}' for part in parts for option in options]


def last(pattern: str, text: str) -> str:
    """Return the last match in a log."""
    found = re.findall(pattern, text, re.MULTILINE)
    if not found:
        raise ValueError(f'its log has no match for {pattern}')
    return found[-1]


def check_precision(table: 'StepTable', small: bool, device: str) -> float | None:
    """Run training steps in half precision; return the seconds of a step of APViT in bf16."""
    seconds = None
    configs = [config(name) for name in ((DRAWN, SMALL_ADAPTER) if small else (APVIT, ADAPTER))]
    size, turns = (4, 1) if small else (128, 12)
    for dtype, what in product(WRAPPERS, ('train-step', 'memory')):
        step = f'{dtype}, {what}, batch {size}'
        if dtype == 'fp16' and device == 'cpu':
            table.add(step, 'needs a GPU', 'skipped')
            continue
        out = table.folder / f'{dtype}-{what}.json'
        command = python('analysis_tools/benchmark.py', *configs, f'--{what}', '--json', out)
        command += ['--warm-up', 1, '--turns', turns, '--batch-sizes', size, '--device', device]
        command += ['--cfg-options', *(f'optim_wrapper.{option}' for option in WRAPPERS[dtype])]
        done = table.run(step, command, 90, partial(read_benchmark, out))
        if done and (dtype, what) == ('bf16', 'train-step'):
            seconds = json.loads(out.read_text())['rows'][0]['median_ms'] / 1e3
    return seconds


def read_benchmark(path: Path, _: str) -> str:
    return '; '.join(map(_row_text, json.loads(path.read_text())['rows']))


def _row_text(row: dict) -> str:
    name = row['name'].partition('_')[0]
    if 'bytes' in row:
        return f'{name} {row["bytes"] / 2**20:.0f} MiB beyond weights and optimizer state'
    if 'rate' in row:
        return f'{row["rate"]:.0f} images/s on one core'
    return (
        f'{name} {row["median_ms"]:.1f} ms, {row["images_s"]:.0f} images/s, loss {row["loss"]:.3f}'
    )


def read_ratios(path: Path, _: str) -> str:
    rows = json.loads(path.read_text())['ratios']
    return '; '.join(f'{row["name"]}: {row["measured"]["value"]:.2f}' for row in rows)


def check_training(table: 'StepTable', args, folder: Path | None, step: float | None) -> None:
    """Train APViT from scratch, in bf16, compiled, for as many epochs as there is time for."""
    from mmfer.engine.launch import load_config

    parts = ('train', 'val')
    work_dir, epochs = table.folder / 'training', 1 if args.small else args.epochs
    name = DRAWN if folder is None else SMALL_FERPLUS if args.small else APVIT
    batch, workers, interval = (2, 1, 1) if args.small else (128, args.workers, 20)
    if folder is None:
        data = 'drawn faces'
        options = [f'{part}_dataloader.dataset.num_samples={8 * batch}' for part in parts]
    else:
        data = f'FERPlus val, {load_config(config(name)).val_dataloader.dataset.mode}'
        options = ferplus_options(folder, *parts)
        if args.small:
            options += [f'{part}_dataloader.dataset.indices=4' for part in parts]
    if name == APVIT:
        options += ['model.backbone.init_cfg=None', 'model.backbone.cnn.init_cfg=None']
        steps = sum(1 for _ in (folder / 'images' / 'FER2013Train').iterdir()) / batch
        if step:
            room = (table.left - AFTER - BEFORE) / (steps * step + BESIDE)
            epochs = max(min(epochs, int(room)), 1)
        options.append(f'param_scheduler.T_max={epochs}')
    options += [
        f'train_dataloader.num_workers={workers}',
        f'train_dataloader.batch_size={batch}',
        # A smaller last batch would be compiled separately.
        'train_dataloader.drop_last=True',
        f'train_cfg.max_epochs={epochs}',
        f'default_hooks.checkpoint.interval={epochs}',
        f'default_hooks.logger.interval={interval}',
    ]
    # Compiling for a CPU would take minutes.
    compiled = [] if args.small else ['--compile']
    options += ['compile.backend=eager'] if args.small else []
    command = python('train.py', config(name), '--amp', 'bf16', '--work-dir', work_dir, *compiled)
    command += ['--cfg-options', *options]
    title = f'{name} from scratch, bf16, compiled, {epochs} epochs, {data}'
    limit = table.left - AFTER
    done = table.run(title, command, limit, partial(read_training, work_dir))
    if folder is None or not (folder / 'images' / 'FER2013Test').is_dir():
        table.add('test', 'there are no test images of FERPlus', 'skipped')
    elif done:
        command = python('test.py', config(name), work_dir / f'epoch_{epochs}.pth')
        command += ['--work-dir', work_dir, '--cfg-options', *ferplus_options(folder, 'test')]
        table.run('test', command, 60, partial(last, r'accuracy/top1: [\d.]+'))


def read_training(work_dir: Path, _: str) -> str:
    from mmfer.analysis.training_logs import read_training_log

    curves = read_training_log(work_dir)
    accuracy, times = curves['accuracy/top1'].values, curves['time'].values
    epochs = len(accuracy)
    later = slice(len(times) // epochs if epochs > 1 else 0, None)  # the first includes compiling
    seconds = times[later].mean()
    waiting = curves['data_time'].values[later].mean() / seconds
    return (
        f'accuracy {accuracy[-1]:.2f} % (best epoch {accuracy.max():.2f} %), epoch {epochs}, '
        f'{seconds * curves["time"].steps[-1] / epochs:.1f} s an epoch without validation, '
        f'{waiting:.0%} of it waiting for images'
    )


def run_steps(table: 'StepTable', args, device: str) -> None:
    folder, step = args.ferplus, None
    if folder is not None and folder.is_file():
        command = python('misc/pack_ferplus.py', 'unpack', folder, table.folder / 'ferplus')
        done = table.run('unpack', command, 120, partial(last, r'\d+ images, [\d.]+ MB'))
        folder = table.folder / 'ferplus' if done else None
    if 'tests' in args.only:
        files = [
            ROOT / 'tests' / name for name in ('test_gpu.py', 'test_models/test_random_erasing.py')
        ]
        command = [sys.executable, '-m', 'pytest', '-m', 'gpu', '--rootdir', ROOT, *files]
        table.run('tests marked gpu', command, 150, partial(last, r'^=* ?(\d.* in [\d.]+s)'))
    if 'precision' in args.only:
        step = check_precision(table, args.small, device)
    if 'processes' in args.only:
        command = [ROOT / 'tools' / 'dist_train.sh', config(DRAWN), 1, '--no-validate']
        command += ['--work-dir', table.folder / 'processes', '--cfg-options']
        command += ['train_dataloader.dataset.num_samples=64', 'train_cfg.max_epochs=1']
        command += ['default_hooks.logger.interval=1']
        command += ['sync_bn=torch'] if device == 'cuda' else []
        backend = 'NCCL, SyncBN' if device == 'cuda' else 'gloo'
        table.run(f'one process, {backend}', command, 90, partial(last, r'loss: [\d.]+'))
    if 'data' in args.only and folder is not None:
        out = table.folder / 'data.json'
        command = python('analysis_tools/benchmark.py', config(APVIT), '--pipeline', 'train')
        command += ['--images', 20 if args.small else 500, '--json', out]
        command += ['--cfg-options', *ferplus_options(folder, 'train')]
        table.run('training images', command, 60, partial(read_benchmark, out))
    if 'training' in args.only:
        check_training(table, args, folder, step)
    if 'ratios' in args.only:
        out = table.folder / 'ratios.json'
        command = python('analysis_tools/regression_bench.py', '--json', out, '--device', device)
        command += ['--what', 'speed-up', 'pooling', 'adapter', 'data']
        small = ['--size', 'small', '--batch-size', 2, '--turns', 1, '--best', 'eager']
        command += small if args.small else ['--best', 'compiled+bf16']
        table.run('ratios', command, table.left, partial(read_ratios, out))


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    # Imported late, so that --help is quick.
    import torch

    from mmfer.benchmark.report import machine_text
    from mmfer.benchmark.step_table import StepTable
    from mmfer.utils.machine import describe_machine

    device = 'cuda' if torch.cuda.is_available() else 'cpu'
    if device == 'cpu' and not args.small:
        sys.exit('error: torch finds no GPU; --small runs the script on a CPU')
    if args.ferplus is not None and not args.ferplus.exists():
        sys.exit(f'error: --ferplus: there is no {args.ferplus}')
    args.ferplus = args.ferplus and args.ferplus.absolute()
    folder = args.work_dir.absolute() / time.strftime('%Y%m%d_%H%M%S')
    folder.mkdir(parents=True)
    table = StepTable(folder, machine_text(describe_machine(device)), 60 * args.minutes, ROOT)
    run_steps(table, args, device)
    print(f'\n{table}')
    return int(table.failed)


if __name__ == '__main__':
    sys.exit(main())
