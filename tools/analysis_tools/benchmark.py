# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Compare the speed of variants of one or several models; no weights and no data are needed.

Variants take turns in one process. ``--list`` lists them, and docs/speed.md explains them.

Examples:
    python tools/analysis_tools/benchmark.py CONFIG --variants plain eager fused+channels-last
    python tools/analysis_tools/benchmark.py CONFIG CONFIG --batch-sizes 32    # compare two models
    python tools/analysis_tools/benchmark.py CONFIG --train-step --batch-sizes 16
    python tools/analysis_tools/benchmark.py CONFIG --memory --batch-sizes 32
    python tools/analysis_tools/benchmark.py CONFIG --pipeline test
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from mmfer.utils.config_arguments import add_config_options, add_former_name, tool_parser
from mmfer.utils.timing_options import add_timing_options, check_names, positive

VARIANTS = ['plain', 'eager', 'compiled', 'fused+channels-last+by-8', 'bf16', 'onnx', 'aot+by-8']


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = tool_parser(__doc__)
    parser.add_argument('configs', nargs='*', metavar='CONFIG', help='config files')
    parser.add_argument(
        '--variants', nargs='+', default=VARIANTS, help=f'default: {" ".join(VARIANTS)}'
    )
    parser.add_argument('--list', action='store_true', help='list all variants, and exit')
    parser.add_argument(
        '--batch-sizes', type=positive, nargs='+', default=[1, 32, 128], help='default: 1 32 128'
    )
    parser.add_argument(
        '--warm-up', type=int, default=1, help='calls before the timed ones (default: 1)'
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        '--train-step', action='store_true', help='time forward, backward and update instead'
    )
    what.add_argument(
        '--memory', action='store_true', help='measure the peak memory of a training step instead'
    )
    what.add_argument(
        '--pipeline',
        choices=['train', 'test'],
        nargs='?',
        const='train',
        help='time the data pipeline instead (default: train)',
    )
    images = parser.add_argument(
        '--images', type=positive, default=200, help='images for --pipeline (default: 200)'
    )
    add_former_name(parser, '--pictures', images)
    add_timing_options(parser)
    parser.add_argument('--device', default='cpu', help="such as 'cuda' (default: cpu)")
    add_config_options(parser)
    args = parser.parse_args(argv)
    if not args.configs and not args.list:
        parser.error('at least one CONFIG is required')
    check_names(parser, [Path(path).stem for path in args.configs])
    return args


def inference(args, configs: dict) -> list[dict]:
    """Compare the variants, one batch size after the other."""
    from mmfer.benchmark.report import timing_rows, timing_table
    from mmfer.benchmark.timing import CLOCKS
    from mmfer.benchmark.variants import random_inputs, time_variants
    from mmfer.deployment.untrained import random_model

    models = {name: random_model(cfg).to(args.device) for name, cfg in configs.items()}
    rows = []
    for batch_size in args.batch_sizes:
        inputs = {
            name: random_inputs(cfg, batch_size, args.device) for name, cfg in configs.items()
        }
        times, skipped = time_variants(
            models, inputs, args.variants, args.turns, args.warm_up, CLOCKS[args.clock]
        )
        measured = timing_rows(times, batch_size)
        print(timing_table(measured), flush=True)
        rows += measured
        for name, reason in skipped.items():
            print(f'{name} is skipped: {reason}')
            rows.append(dict(name=name, batch_size=batch_size, skipped=reason))
    return rows


def train_step(args, configs: dict) -> list[dict]:
    """Compare training steps of the configs, and check the loss of one more step."""
    import math

    from mmfer.benchmark.report import timing_rows, timing_table
    from mmfer.benchmark.timing import CLOCKS, interleave
    from mmfer.benchmark.training import TrainStep

    rows = []
    for batch_size in args.batch_sizes:
        steps = {name: TrainStep(cfg, batch_size, args.device) for name, cfg in configs.items()}
        measured = timing_rows(
            interleave(steps, args.turns, args.warm_up, CLOCKS[args.clock]), batch_size
        )
        print(timing_table(measured), flush=True)
        for row in measured:
            row['loss'] = steps[row['name']]()['loss'].item()
            if not math.isfinite(row['loss']):
                raise ValueError(f'{row["name"]}, batch {batch_size}: the loss is {row["loss"]}')
        rows += measured
    return rows


def memory(args, configs: dict) -> list[dict]:
    """Measure the peak memory of a training step."""
    from mmfer.benchmark.report import memory_table
    from mmfer.benchmark.training import training_memory

    rows = [
        dict(name=name, batch_size=size, bytes=training_memory(cfg, size, args.device))
        for name, cfg in configs.items()
        for size in args.batch_sizes
    ]
    print(memory_table(rows))
    return rows


def pipeline(args, configs: dict) -> list[dict]:
    """Compare data pipelines with only decoding and resizing."""
    from mmfer.benchmark.pipeline import measure_pipeline
    from mmfer.benchmark.report import pipeline_text
    from mmfer.benchmark.timing import CLOCKS
    from mmfer.registry import DATASETS
    from mmfer.utils.image_size import image_size

    rows = []
    for name, cfg in configs.items():
        dataset = DATASETS.build(cfg[f'{args.pipeline}_dataloader'].dataset)
        speed = measure_pipeline(
            dataset, image_size(cfg)[0], args.images, args.turns, CLOCKS[args.clock]
        )
        print(f'{name}, {args.pipeline}\n{pipeline_text(speed)}', flush=True)
        rows.append(dict(name=name, part=args.pipeline, **speed))
    return rows


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    # Imported late, so that --help is quick.
    import torch
    from mmengine.registry import init_default_scope

    import mmfer.datasets  # noqa: F401  registers
    from mmfer.benchmark.report import machine_text
    from mmfer.benchmark.variants import VARIANTS, check_variant
    from mmfer.engine.launch import load_config
    from mmfer.utils.atomic_file import atomic_write_json
    from mmfer.utils.config_options import parse_options
    from mmfer.utils.machine import describe_machine

    if args.list:
        print('\n'.join(VARIANTS))
        return 0
    init_default_scope('mmfer')
    torch.set_num_threads(args.threads)
    try:
        for variant in args.variants:
            check_variant(variant)
        options = parse_options(args.cfg_options)
        configs = {Path(path).stem: load_config(path, options) for path in args.configs}
        machine = describe_machine(args.device)
        print(machine_text(machine), flush=True)
        if args.pipeline:
            rows = pipeline(args, configs)
        elif args.memory:
            rows = memory(args, configs)
        else:
            rows = train_step(args, configs) if args.train_step else inference(args, configs)
    except (ValueError, OSError) as error:
        sys.exit(f'error: {error}')
    if args.json:
        content = dict(
            machine=machine, configs=args.configs, turns=args.turns, clock=args.clock, rows=rows
        )
        atomic_write_json(args.json, content)
    return 0


if __name__ == '__main__':
    sys.exit(main())
