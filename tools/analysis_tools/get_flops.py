# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Print the cost of a model per image in inference: GFLOPs, parameters and tokens per block.

``gflops`` is comparable to published figures: APViT computed as in the paper, MobileOne and RepVGG
with merged branches. ``gflops_run`` is the cost of the model as configured. It may be lower (APViT)
or, before branches are merged, higher. The cost of a KT-Adapter is printed in MFLOPs; its prior
encoders are not built, because they do not run in inference.

Examples:
    python tools/analysis_tools/get_flops.py CONFIG
    python tools/analysis_tools/get_flops.py CONFIG --json cost.json --cfg-options \\
        model.backbone.app.keep_num=80 model.backbone.atp.keep_rate=0.6
"""

import sys
from collections.abc import Sequence

from mmfer.utils.config_arguments import add_config_options, add_size_option, tool_parser


def print_figures(config: str, figures: dict) -> None:
    height, width = figures['shape']
    print(f'{config}, one {height}x{width} image ({figures["shape_from"]})')
    print(f'  GFLOPs              {figures["gflops"]:8.3f}   as published figures are counted')
    print(f'  GFLOPs as run       {figures["gflops_run"]:8.3f}   as the model is configured')
    print(f'  parameters          {figures["params_m"]:8.3f} M')
    if figures['adapter_mflops'] is not None:
        print(f'  MFLOPs of adapter   {figures["adapter_mflops"]:8.3f}   without any prior')
    if figures['tokens']:
        print(f'  tokens per block    {", ".join(map(str, figures["tokens"]))}')
    for name, gflops in figures['parts'].items():
        print(f'    {name:<20}{gflops:8.3f}')


def main(argv: Sequence[str] | None = None) -> int:
    parser = tool_parser(__doc__)
    parser.add_argument('config', help='config file')
    add_size_option(parser, '--shape')
    parser.add_argument('--json', metavar='FILE', help='also write the results to FILE')
    add_config_options(parser)
    args = parser.parse_args(argv)

    # Imported late, so that --help is quick.
    from mmengine.registry import init_default_scope

    from mmfer.analysis.model_cost import model_cost
    from mmfer.engine.launch import load_config
    from mmfer.utils.atomic_file import atomic_write_json
    from mmfer.utils.config_options import parse_options

    init_default_scope('mmfer')
    cfg = load_config(args.config, parse_options(args.cfg_options))
    figures = model_cost(cfg, args.shape)
    print_figures(args.config, figures)
    if args.json:
        atomic_write_json(args.json, figures)
    return 0


if __name__ == '__main__':
    sys.exit(main())
