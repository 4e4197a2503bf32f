# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Compare the speed of a model in PyTorch (eager) and in ONNX Runtime, on the CPU.

    python tools/deployment/benchmark_onnx.py CONFIG --batch-sizes 1 8 --int8

Branches of MobileOne and RepVGG are merged for both. The variants take turns on random normalized
images in memory, so that a busy machine slows all of them; all use the same number of threads. The
median and quartiles of a call are reported, and the ratio of the medians. Weights do not change the
time, so no checkpoint is needed.

Exit status: 0; 1 if the model cannot be exported; 2 if the arguments are wrong.
"""

import argparse
import sys
from collections.abc import Sequence

from mmfer.cli.exit_status import exit_status
from mmfer.deployment.command_line import add_model_options
from mmfer.utils.config_arguments import positive, tool_parser


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = tool_parser(__doc__)
    add_model_options(parser)
    parser.add_argument(
        '--batch-sizes',
        type=positive,
        nargs='+',
        default=[1, 8, 32],
        metavar='N',
        help='images per call (default: 1 8 32)',
    )
    parser.add_argument('--int8', action='store_true', help='also time the 8-bit model')
    parser.add_argument('--rounds', type=int, default=10, help='timed turns (default: 10)')
    parser.add_argument(
        '--warm-up', type=int, default=2, help='calls before the timed ones (default: 2)'
    )
    parser.add_argument('--json', metavar='FILE', help='also write the results to FILE')
    args = parser.parse_args(argv)
    if args.warm_up < 0:
        parser.error(f'--warm-up must be at least 0, got {args.warm_up}')
    if args.rounds < 2:
        parser.error(f'--rounds must be at least 2, got {args.rounds}')
    return args


def measure(loaded, args: argparse.Namespace) -> list[dict]:
    """Measure the times of every batch size and variant."""
    import statistics
    from functools import partial

    import torch

    from mmfer.benchmark.timing import interleave, ratio
    from mmfer.deployment.exported import OnnxModel
    from mmfer.deployment.model import Exportable
    from mmfer.deployment.onnx import export_onnx, quantize_int8

    content = export_onnx(loaded.model, loaded.size, loaded.facts())
    models = {
        'PyTorch eager': Exportable(loaded.model, loaded.size),
        'ONNX Runtime': OnnxModel(content, args.threads),
    }
    if args.int8:
        models['ONNX Runtime int8'] = OnnxModel(quantize_int8(content), args.threads)

    results = []
    for batch_size in args.batch_sizes:
        inputs = torch.randn(batch_size, 3, *loaded.size)
        functions = {name: partial(model, inputs) for name, model in models.items()}
        with torch.inference_mode():
            timings = interleave(functions, args.rounds, args.warm_up)
        for name, timing in timings.items():
            low, median, high = statistics.quantiles(timing.times, n=4, method='inclusive')
            speed_up = ratio(timings['PyTorch eager'], timing).value
            row = dict(median=median, low=low, high=high, speed_up=speed_up)
            results.append(dict(batch_size=batch_size, variant=name, **row))
    return results


def table(results: list[dict]) -> str:
    """Format the results as a table."""
    from mmfer.utils.markdown import markdown_table

    lines = [['batch', 'variant', 'median, ms', 'quartiles, ms', 'images/s', 'speed-up']]
    for row in results:
        low, median, high = (f'{row[key] * 1e3:.2f}' for key in ('low', 'median', 'high'))
        rate = f'{row["batch_size"] / row["median"]:.1f}'
        spread, speed_up = f'{low} to {high}', f'{row["speed_up"]:.2f}'
        lines.append([str(row['batch_size']), row['variant'], median, spread, rate, speed_up])
    return markdown_table(lines)


def main(argv: Sequence[str] | None = None) -> int:
    return exit_status(benchmark, parse_args(argv))


def benchmark(args: argparse.Namespace) -> None:
    # Imported late, so that --help is quick.
    import torch

    from mmfer.deployment.load import load_for_export
    from mmfer.deployment.onnx import environment, require_onnx
    from mmfer.utils.atomic_file import atomic_write_json
    from mmfer.utils.config_options import parse_options

    require_onnx()
    torch.set_num_threads(args.threads)
    options = parse_options(args.cfg_options)
    loaded = load_for_export(args.config, args.checkpoint, options, args.size)
    results = measure(loaded, args)
    around = environment(args.threads)
    height, width = loaded.size
    print(f'{args.config}, {height}x{width} images, {args.rounds} turns')
    print(
        f'{around["machine"]}, {args.threads} thread(s), PyTorch {around["torch"]}, '
        f'ONNX Runtime {around["onnxruntime"]}'
    )
    print(table(results), end='')
    if args.json:
        content = dict(
            config=args.config,
            size=list(loaded.size),
            rounds=args.rounds,
            warm_up=args.warm_up,
            environment=around,
            results=results,
        )
        atomic_write_json(args.json, content)


if __name__ == '__main__':
    sys.exit(main())
