# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Compile a model ahead of time, and prove that the compiled one gives its answers.

    python tools/deployment/export_aoti.py CONFIG CHECKPOINT --out model.pt2 --verify

writes a package of PyTorch's AOTInductor for the processor of this machine: any batch size, all
that is needed to use it (class names, task, input size, normalization, licence) as metadata, no
need of mmfer to run it. It needs a C++ compiler here, and where it runs the same version of PyTorch
and the same vector instructions. Whether it is quicker depends on the processor: docs/speed.md has
figures, and the last line is measured here,

    NAME.pt2: N times as fast here as what FaceInferencer runs (LOW to HIGH): 8 image(s) in ...

--verify compares with PyTorch as export_onnx.py does; nothing is written if they differ by more
than rounding. Its figures go to NAME.json. Without CHECKPOINT the weights are random. A package is
a program: whoever loads one runs what is in it.

Exit status: 0 when it was written, 1 when it cannot be compiled or differs from PyTorch, 2 when the
arguments are wrong.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from mmfer.deployment.command_line import exit_status, parse_export_args
from mmfer.utils.config_arguments import tool_parser


def main(argv: Sequence[str] | None = None) -> int:
    parser = tool_parser(__doc__)
    return exit_status(export, parse_export_args(parser, '.pt2', argv))


def export(args: argparse.Namespace) -> None:
    # Imported late: --help answers at once.
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
        print(f'figures are in {path}')
    if not args.no_timing:
        print(*speeds, sep='\n')


if __name__ == '__main__':
    sys.exit(main())
