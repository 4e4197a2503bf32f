# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Export a model to ONNX, and prove that ONNX Runtime gives its answers.

    python tools/deployment/export_onnx.py CONFIG CHECKPOINT --out model.onnx --verify

writes the graph for any batch size, with all that is needed to use it (class names, task, input
size, normalisation, licence) as metadata. By default it takes normalised float32 (N, 3, H, W), as
runtimes and accelerators expect; with --with-preprocessing it takes pictures as OpenCV reads them,
uint8 (N, H, W, 3) in BGR, and normalises them itself, so that nobody else can get it wrong.

--verify compares with PyTorch, on random pictures and on those of the test set (drawn faces where
its files are missing), in batches of 1, 2 and 7; nothing is written if they differ by more than
rounding. --int8 writes NAME.int8.onnx as well, with linear layers in 8 bits, and measures on the
test set what that costs. Both write their figures to NAME.json. Without CHECKPOINT the weights are
random.

Exit status: 0 when it was written, 1 when it cannot be exported or differs from PyTorch, 2 when the
arguments are wrong.
"""

import argparse
import json
import sys
from pathlib import Path


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', nargs='?', help='checkpoint of the model')
    parser.add_argument('--out', required=True, metavar='FILE', help='file to write, NAME.onnx')
    parser.add_argument(
        '--with-preprocessing',
        action='store_true',
        help='take uint8 pictures in BGR and normalise them in the graph',
    )
    parser.add_argument('--verify', action='store_true', help='compare with PyTorch')
    parser.add_argument(
        '--tolerance',
        type=float,
        default=1e-4,
        metavar='X',
        help='largest difference, as a share of the largest value of an output or of 1, whichever '
        'is more (default: %(default)s)',
    )
    parser.add_argument(
        '--num',
        type=int,
        default=14,
        metavar='N',
        help='pictures of the test set to compare on (default: %(default)s)',
    )
    parser.add_argument(
        '--int8', action='store_true', help='write an 8-bit model too, and measure its metrics'
    )
    parser.add_argument(
        '--int8-num',
        type=int,
        metavar='N',
        help='measure them on so many pictures, spread evenly over the test set (default: all)',
    )
    parser.add_argument(
        '--size',
        type=int,
        nargs='+',
        metavar='PIXELS',
        help='height and width, or one number for both (default: what the model or the test '
        'pipeline says, else 224)',
    )
    parser.add_argument(
        '--licence',
        metavar='SPDX',
        default='unspecified',
        help='of the weights, such as CC-BY-NC-4.0; mind the terms of the data they were trained '
        'on (default: %(default)s)',
    )
    parser.add_argument('--device', default='cpu', help='where PyTorch runs (default: cpu)')
    parser.add_argument('--threads', type=int, default=1, help='of either (default: 1)')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        default=[],
        metavar='KEY=VALUE',
        help='settings that override the config',
    )
    args = parser.parse_args()
    if not args.out.endswith('.onnx'):
        parser.error(f'--out is NAME.onnx, got {args.out}')
    if args.size and (len(args.size) > 2 or min(args.size) < 1):
        parser.error(f'--size takes one or two positive numbers, got {args.size}')
    for name in ('num', 'int8_num', 'threads'):
        value = getattr(args, name)
        if value is not None and value < 1:
            parser.error(f'--{name.replace("_", "-")} is at least 1, got {value}')
    if not args.tolerance >= 0:
        parser.error(f'--tolerance is at least 0, got {args.tolerance}')
    return args


def verify(loaded, onnx_model, args: argparse.Namespace) -> list[dict]:
    """Compare with PyTorch and print the table.

    Raises:
        ExportError: They differ.
    """
    from mmfer.deployment.compare import BATCH_SIZES, compare_all
    from mmfer.deployment.errors import ExportError
    from mmfer.deployment.pictures import random_pictures, real_pictures
    from mmfer.deployment.report import comparison_table

    groups = [
        ('random pixels', random_pictures(max(BATCH_SIZES), loaded.size)),
        real_pictures(loaded.cfg, args.num, loaded.size),
    ]
    comparisons = compare_all(loaded.model, onnx_model, groups)
    print('largest differences from PyTorch:')
    print('\n'.join(comparison_table(comparisons, args.tolerance)))
    if not all(comparison.passes(args.tolerance) for comparison in comparisons):
        raise ExportError(
            'the exported model differs from PyTorch by more than --tolerance '
            f'{args.tolerance:g}; nothing was written'
        )
    return [comparison.to_dict() for comparison in comparisons]


def measure_int8(loaded, onnx_model, quantized: bytes, args: argparse.Namespace) -> dict:
    """Metrics of the float32 and the int8 model, printed."""
    from functools import partial

    from mmfer.deployment.answers import onnx_answers
    from mmfer.deployment.metrics import evaluate_variants
    from mmfer.deployment.onnx_model import OnnxModel

    variants = dict(float32=onnx_model, int8=OnnxModel(quantized, args.threads))
    answers = {
        name: partial(onnx_answers, variant, loaded.model) for name, variant in variants.items()
    }
    metrics, count = evaluate_variants(loaded.cfg, answers, args.int8_num)
    print(f'metrics of {count} pictures of the test set:')
    print(f'  {"":<32}{"float32":>12}{"int8":>12}{"change":>12}')
    for name, before in metrics['float32'].items():
        after = metrics['int8'][name]
        print(f'  {name:<32}{before:>12.4f}{after:>12.4f}{after - before:>+12.4f}')
    return dict(pictures=count, metrics=metrics)


def main() -> int:
    args = parse_args()
    # Imported late: --help answers at once.
    import torch

    from mmfer.deployment.errors import ExportError, require_packages
    from mmfer.utils.config_options import UnknownOptionError, parse_options
    from mmfer.utils.safe_load import CheckpointError

    torch.set_num_threads(args.threads)
    try:
        require_packages()
        export(args, parse_options(args.cfg_options))
    except (FileNotFoundError, UnknownOptionError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 2
    except (CheckpointError, ExportError, OSError, ValueError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    return 0


def export(args: argparse.Namespace, options: dict) -> None:
    from mmfer.deployment.loading import load_for_export
    from mmfer.deployment.onnx_model import OnnxModel
    from mmfer.deployment.quantize import quantize_int8
    from mmfer.deployment.report import environment, interface, written
    from mmfer.utils.atomic_file import atomic_write

    out = Path(args.out)
    loaded = load_for_export(args.config, args.checkpoint, options, args.size, args.device)
    content = loaded.export(args.licence, args.with_preprocessing)
    onnx_model = OnnxModel(content, args.threads)
    report = dict(file=out.name, facts=onnx_model.facts, environment=environment(args.threads))
    if args.verify:
        report.update(tolerance=args.tolerance, comparisons=verify(loaded, onnx_model, args))
    atomic_write(out, content)
    print(written(out, content))
    print('\n'.join(interface(onnx_model)))
    if args.int8:
        quantized = quantize_int8(content)
        path = out.with_suffix('.int8.onnx')
        report['int8'] = measure_int8(loaded, onnx_model, quantized, args)
        report['int8'].update(file=path.name, bytes=len(quantized), float32_bytes=len(content))
        atomic_write(path, quantized)
        print(written(path, quantized))
    if args.verify or args.int8:
        path = out.with_suffix('.json')
        atomic_write(path, json.dumps(report, indent=2).encode())
        print(f'figures are in {path}')


if __name__ == '__main__':
    sys.exit(main())
