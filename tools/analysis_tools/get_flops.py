# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Print what one picture costs a model: GFLOPs, parameters and tokens per block.

``gflops`` counts the paper's way of computing, which is what published figures mean; where the
configured model gives the same output with less work, ``gflops_run`` is what it really spends.

Examples:
    python tools/analysis_tools/get_flops.py CONFIG
    python tools/analysis_tools/get_flops.py CONFIG --json cost.json --cfg-options \\
        model.backbone.app.keep_num=80 model.backbone.atp.keep_rate=0.6
"""

import argparse
import json


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description='Print the FLOPs, the parameters and the tokens per block of a model.'
    )
    parser.add_argument('config', help='config file')
    parser.add_argument(
        '--shape',
        type=int,
        nargs='+',
        metavar='PIXELS',
        help="height and width of the picture, or one number for both (default: the model's)",
    )
    parser.add_argument('--json', metavar='FILE', help='write the figures to FILE as well')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        default=[],
        metavar='KEY=VALUE',
        help='settings that override the config',
    )
    args = parser.parse_args()
    if args.shape and (len(args.shape) > 2 or min(args.shape) < 1):
        parser.error(f'--shape takes one or two positive numbers, got {args.shape}')
    return args


def measure(cfg, shape: list | None) -> dict:
    """Figures of the config's model; see the module's docstring for the keys."""
    from mmfer.registry import MODELS
    from mmfer.utils.flops import count_cost

    model = MODELS.build(cfg.model)
    backbone = model.backbone
    shape = tuple(shape * 2 if len(shape) == 1 else shape) if shape else backbone.img_size
    run = count_cost(model, shape)
    published = run
    if getattr(backbone, 'computation', 'paper') != 'paper':
        cfg.model.backbone.computation = 'paper'
        published = count_cost(MODELS.build(cfg.model), shape)
    return dict(
        shape=list(shape),
        gflops=published.gflops,
        gflops_run=run.gflops,
        params_m=run.params_m,
        tokens=backbone.token_counts() if hasattr(backbone, 'token_counts') else [],
        parts=published.by_module,
    )


def print_figures(config: str, figures: dict) -> None:
    height, width = figures['shape']
    print(f'{config}, one {height}x{width} picture')
    print(f'  GFLOPs              {figures["gflops"]:8.3f}   as published figures are counted')
    print(f'  GFLOPs as run       {figures["gflops_run"]:8.3f}   as the model is configured')
    print(f'  parameters          {figures["params_m"]:8.3f} M')
    if figures['tokens']:
        print(f'  tokens per block    {", ".join(map(str, figures["tokens"]))}')
    for name, gflops in figures['parts'].items():
        print(f'    {name:<20}{gflops:8.3f}')


def main() -> None:
    args = parse_args()
    # Imported late: --help answers at once.
    from mmengine.registry import init_default_scope

    from mmfer.apis.launch import load_config
    from mmfer.utils.atomic_file import atomic_write
    from mmfer.utils.config_options import parse_options

    init_default_scope('mmfer')
    cfg = load_config(args.config, parse_options(args.cfg_options))
    figures = measure(cfg, args.shape)
    print_figures(args.config, figures)
    if args.json:
        atomic_write(args.json, json.dumps(figures, indent=2).encode())


if __name__ == '__main__':
    main()
