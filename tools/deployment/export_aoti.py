# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Compile a model ahead of time, and verify that its outputs stay the same.

    python tools/deployment/export_aoti.py CONFIG CHECKPOINT --out model.pt2 --verify

writes a package of PyTorch's AOTInductor for the CPU of this machine, for any batch size. All that
is needed to use it (class names, task, input size, normalization, license) is in its metadata, and
it runs without mmfer. Compiling needs a C++ compiler. Running needs the same version of PyTorch and
the same vector instructions. Whether it is faster depends on the CPU: docs/speed.md has
measurements, and the last line is measured on this machine:

    NAME.pt2: N times as fast as FaceInferencer on this machine (LOW to HIGH): ...

--verify compares with PyTorch like export_onnx.py. If the outputs differ by more than rounding,
nothing is written. The results are written to NAME.json. Without CHECKPOINT the weights are random.
A package is a program: loading it runs its code.

Exit status: 0 if the file was written; 1 if the model cannot be compiled or differs from PyTorch;
2 if the arguments are wrong.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from mmfer.cli.exit_status import exit_status
from mmfer.deployment.command_line import parse_export_args
from mmfer.utils.config_arguments import tool_parser


def main(argv: Sequence[str] | None = None) -> int:
    parser = tool_parser(__doc__)
    return exit_status(export, parse_export_args(parser, '.pt2', argv))


def export(args: argparse.Namespace) -> None:
    # Imported late, so that --help is quick.
    import torch

    from mmfer.benchmark.export_speed import measure_exports
    from mmfer.deployment.aot import export_package
    from mmfer.deployment.compare import verify
    from mmfer.deployment.exported import AotModel
    from mmfer.deployment.load import load_for_export
    from mmfer.utils.atomic_file import atomic_write, atomic_write_json
    from mmfer.utils.config_options import parse_options
    from mmfer.utils.machine import describe_machine

    torch.set_num_threads(args.threads)
    options = parse_options(args.cfg_options)
    out = Path(args.out)
    loaded = load_for_export(args.config, args.checkpoint, options, args.size)
    facts = loaded.facts(args.licence, args.with_preprocessing)
    content = export_package(loaded.model, loaded.size, facts, args.with_preprocessing)
    compiled = AotModel(content)
    report = dict(file=out.name, facts=compiled.facts, machine=describe_machine())
    if args.verify:
        report.update(verify(loaded, compiled, args.num, args.tolerance))
    atomic_write(out, content)
    if not args.no_timing:
        speeds = measure_exports(loaded.model, {out.name: compiled}, loaded.size)
        report['speed'] = list(map(asdict, speeds))
    print(f'wrote {out} ({len(content) / 2**20:.1f} MiB)')
    print(f'  takes  {compiled.input_name}')
    print(f'  gives  {", ".join(compiled.output_names)}')
    if args.verify:
        path = out.with_suffix('.json')
        atomic_write_json(path, report)
        print(f'results are in {path}')
    if not args.no_timing:
        print(*speeds, sep='\n')


if __name__ == '__main__':
    sys.exit(main())
