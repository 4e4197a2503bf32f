# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Export a model to ONNX, and verify that its outputs in ONNX Runtime stay the same.

    python tools/deployment/export_onnx.py CONFIG CHECKPOINT --out model.onnx --verify

writes the graph for any batch size. Everything that is needed to use it (class names, task, input
size, normalization, license) is in its metadata. By default the input is normalized float32
(N, 3, H, W), as runtimes and accelerators expect. With --with-preprocessing the input is images as
OpenCV reads them, uint8 (N, H, W, 3) in BGR; the model normalizes them itself, so that callers
cannot get it wrong.

--verify compares with PyTorch in batches of 1, 2 and 7, on random images and on the test set (drawn
faces if its files are missing). If the outputs differ by more than rounding, nothing is written.
--int8 also writes NAME.int8.onnx, with linear layers in 8 bits, and measures the metrics of both on
the test set. Both options write their results to NAME.json. Without CHECKPOINT the weights are
random. The last line is measured on this machine; with --int8 there is one per file:

    NAME.onnx: N times as fast as FaceInferencer on this machine (LOW to HIGH): ...

Exit status: 0 if the file was written; 1 if the model cannot be exported or differs from PyTorch;
2 if the arguments are wrong.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from mmfer.cli.exit_status import exit_status
from mmfer.deployment.command_line import parse_export_args
from mmfer.utils.config_arguments import positive, tool_parser


def main(argv: Sequence[str] | None = None) -> int:
    parser = tool_parser(__doc__)
    parser.add_argument(
        '--int8', action='store_true', help='also write an 8-bit model, and measure its metrics'
    )
    parser.add_argument(
        '--int8-num',
        type=positive,
        metavar='N',
        help='measure them on N images, spread evenly over the test set (default: all)',
    )
    parser.add_argument('--device', default='cpu', help='device of PyTorch (default: cpu)')
    return exit_status(export, parse_export_args(parser, '.onnx', argv))


def export(args: argparse.Namespace) -> None:
    # Imported late, so that --help is quick.
    import torch

    from mmfer.benchmark.export_speed import measure_exports
    from mmfer.deployment.compare import verify
    from mmfer.deployment.exported import OnnxModel
    from mmfer.deployment.load import load_for_export
    from mmfer.deployment.onnx import environment, export_onnx, quantize_int8, require_onnx
    from mmfer.utils.atomic_file import atomic_write, atomic_write_json
    from mmfer.utils.config_options import parse_options

    require_onnx()
    torch.set_num_threads(args.threads)
    options = parse_options(args.cfg_options)
    out = Path(args.out)
    loaded = load_for_export(args.config, args.checkpoint, options, args.size, args.device)
    facts = loaded.facts(args.licence, args.with_preprocessing)
    content = export_onnx(loaded.model, loaded.size, facts, args.with_preprocessing)
    exported = OnnxModel(content, args.threads)
    report_path = out.with_suffix('.json')
    report = dict(file=out.name, facts=exported.facts, environment=environment(args.threads))
    if args.verify:
        report.update(verify(loaded, exported, args.num, args.tolerance))
    atomic_write(out, content)
    if args.verify:
        atomic_write_json(report_path, report)  # not lost if a later step fails
    print(f'wrote {out} ({len(content) / 2**20:.1f} MiB)')
    print_interface(exported)
    written = {out.name: exported}
    if args.int8:
        quantized = quantize_int8(content)
        path = out.with_suffix('.int8.onnx')
        written[path.name] = OnnxModel(quantized, args.threads)
        variants = dict(float32=exported, int8=written[path.name])
        report['int8'] = measure_metrics(loaded.cfg, variants, args.int8_num)
        report['int8'].update(file=path.name, bytes=len(quantized), float32_bytes=len(content))
        atomic_write(path, quantized)
        print(f'wrote {path} ({len(quantized) / 2**20:.1f} MiB)')
    if not args.no_timing:
        speeds = measure_exports(loaded.model, written, loaded.size)
        report['speed'] = list(map(asdict, speeds))
    if args.verify or args.int8:
        atomic_write_json(report_path, report)
        print(f'results are in {report_path}')
    if not args.no_timing:
        print(*speeds, sep='\n')


def print_interface(exported) -> None:
    """Print the names and shapes of inputs and outputs."""
    kind = 'uint8, BGR' if exported.with_preprocessing else 'float32, normalized'
    shape = ', '.join(map(str, exported.input_shape))
    print(f'  takes  {exported.input_name} ({shape}) {kind}')
    for name, sizes in exported.output_shapes.items():
        print(f'  gives  {name} ({", ".join(map(str, sizes))})')


def measure_metrics(cfg, variants: dict, num: int | None) -> dict:
    """Compute and print the metrics of the float32 and the int8 model."""
    from mmfer.deployment.evaluate import evaluate
    from mmfer.utils.markdown import markdown_table

    metrics = {}
    for name, variant in variants.items():
        metrics[name], count = evaluate(variant, cfg, num)
    lines = [['metric', 'float32', 'int8', 'change']]
    for name, before in metrics['float32'].items():
        after = metrics['int8'][name]
        lines.append([name, f'{before:.4f}', f'{after:.4f}', f'{after - before:+.4f}'])
    print(f'metrics of {count} images of the test set:\n{markdown_table(lines)}', end='')
    return dict(images=count, metrics=metrics)


if __name__ == '__main__':
    sys.exit(main())
