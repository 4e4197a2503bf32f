# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Measure ratios that show whether the package became slower, and print their expected values.

Run it on an idle machine; at full size it takes some minutes. It is not a test, because times vary.

    python tools/analysis_tools/regression_bench.py
    python tools/analysis_tools/regression_bench.py --size small --json ratios.json
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from mmfer.utils.config_arguments import tool_parser
from mmfer.utils.timing_options import add_timing_options, positive

CONFIGS = Path(__file__).resolve().parents[2] / 'configs'
APVIT = dict(
    full='apvit/apvit_ir50-vit-small_1xb128-40e_rafdb-112px.py',
    small='apvit/apvit_resnet18-vit-tiny_1xb16-12e_synthface-64px.py',
)
ADAPTER = dict(
    full='kt_adapter/kt-adapter_convnext-v2-base-to-mobileone-s0_1xb32-30e_affectnet-hq-224px.py',
    small='kt_adapter/kt-adapter_mobileone-micro-to-mobileone-micro_1xb32-10e_synthface-age-64px.py',
)
# The small APViT above draws its images, so another config is used here.
DATA = dict(full=APVIT['full'], small='apvit/apvit_resnet18-vit-tiny_1xb16-12e_rafdb-64px.py')
#: The variant for comparing poolings.
POOLED = 'fused+channels-last'
WHAT = ('speed-up', 'pooling', 'adapter', 'data', 'import')


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = tool_parser(__doc__)
    parser.add_argument(
        '--size',
        choices=list(APVIT),
        default='full',
        help='small: small models, only to check that the tool works (default: full)',
    )
    parser.add_argument(
        '--what', nargs='+', choices=WHAT, default=WHAT, help=f'default: {" ".join(WHAT)}'
    )
    parser.add_argument('--batch-size', type=positive, default=32, help='default: 32')
    parser.add_argument(
        '--best',
        default='aot+by-8',
        metavar='VARIANT',
        help='fastest variant of APViT, see benchmark.py (default: aot+by-8)',
    )
    parser.add_argument(
        '--device',
        default='cpu',
        help="device of the models, such as 'cuda', with --best compiled+bf16; the expected values "
        'are for the default (default: cpu)',
    )
    add_timing_options(parser)
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    # Imported late, so that --help is quick.
    import torch
    from mmengine.registry import init_default_scope

    from mmfer.benchmark import regression
    from mmfer.benchmark.report import machine_text
    from mmfer.benchmark.timing import CLOCKS
    from mmfer.benchmark.variants import check_variant
    from mmfer.engine.launch import load_config
    from mmfer.utils.atomic_file import atomic_write_json
    from mmfer.utils.machine import describe_machine

    init_default_scope('mmfer')
    torch.set_num_threads(args.threads)
    try:
        check_variant(args.best)
    except ValueError as error:
        sys.exit(f'error: --best: {error}')
    apvit = load_config(CONFIGS / APVIT[args.size])
    adapter = load_config(CONFIGS / ADAPTER[args.size])
    data = load_config(CONFIGS / DATA[args.size])
    batch_size, turns, device = args.batch_size, args.turns, args.device
    clock = CLOCKS[args.clock]
    machine = describe_machine(device)
    print(machine_text(machine), flush=True)
    parts = {
        'speed-up': lambda: regression.check_speed_up(
            apvit, args.best, batch_size, turns, clock, device
        ),
        'pooling': lambda: regression.check_pooling(
            apvit, POOLED, batch_size, turns, clock, device
        ),
        'adapter': lambda: regression.check_adapter(adapter, 10 * turns, clock, device),
        'data': lambda: regression.check_data(data, turns, clock),
        'import': lambda: regression.check_import(turns),
    }
    checks = []
    for name in args.what:
        try:
            found = parts[name]()
        except (ValueError, RuntimeError) as error:  # such as an ExportError, or no compiler
            sys.exit(f'error: {name} cannot be measured here: {error}')
        print(regression.check_table(found), flush=True)
        checks += found
    if args.json:
        rows = [dict(asdict(check), met=check.met) for check in checks]
        atomic_write_json(args.json, dict(machine=machine, ratios=rows))
    return 0


if __name__ == '__main__':
    sys.exit(main())
