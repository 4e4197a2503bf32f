# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Plot how training memory and inference time grow with batch size and image size. Or compare the
cost of ensembles of encoders with one encoder with a KT-Adapter (Figure 2 of its paper).

    python tools/visualization/vis_cost.py CONFIG CONFIG --labels pooled unpooled --out cost.png
    # configs of a KT-Adapter: 1 to 4 encoders, and 1 with the adapter
    python tools/visualization/vis_cost.py CONFIG CONFIG --labels M C --ensemble 4 --out cost.png

No weights and no data are needed. Other image sizes need a backbone with ``img_size``.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from mmfer.cli.figure_arguments import figure_file
from mmfer.utils.config_arguments import add_config_options, tool_parser
from mmfer.utils.timing_options import add_timing_options, check_names, positive

_MODELS = 8  # the number of colors
_ENCODERS = 4  # columns


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = tool_parser(__doc__)
    parser.add_argument('configs', nargs='+', metavar='CONFIG', help='config files')
    parser.add_argument('--labels', nargs='+', help='names in the legend (default: file names)')
    parser.add_argument(
        '--out', type=figure_file, required=True, help='figure to write (.png, .pdf, .svg)'
    )
    parser.add_argument(
        '--batch-sizes', type=positive, nargs='+', default=[4, 8, 16, 32], help='default: 4 8 16 32'
    )
    parser.add_argument(
        '--sizes',
        type=positive,
        nargs='+',
        metavar='PIXELS',
        help='image sizes; the first one is used for the plot over batch size (default: only that '
        'of the first config)',
    )
    parser.add_argument(
        '--ensemble',
        type=positive,
        metavar='N',
        help='compare 1 to N encoders of each config with one encoder and its adapter, for one '
        "image of the config's size",
    )
    add_timing_options(parser, turns=3)
    parser.add_argument('--device', default='cpu', help="such as 'cuda' (default: cpu)")
    add_config_options(parser)
    args = parser.parse_args(argv)
    if args.labels and len(args.labels) != len(args.configs):
        parser.error(f'{len(args.configs)} configs but {len(args.labels)} --labels')
    args.labels = args.labels or [Path(path).stem for path in args.configs]
    check_names(parser, args.labels)
    if args.ensemble and args.sizes:
        parser.error("--ensemble uses the config's own image size: run it without --sizes")
    most = _ENCODERS if args.ensemble else _MODELS
    if len(args.labels) > most:
        parser.error(f'{len(args.labels)} models in one figure, at most {most} are allowed')
    return args


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    # Imported late, so that --help is quick.
    import torch
    from mmengine.registry import init_default_scope

    from mmfer.benchmark.encoder_costs import measure_encoder_costs
    from mmfer.benchmark.growth import measure_growth
    from mmfer.benchmark.timing import CLOCKS
    from mmfer.engine.launch import load_config
    from mmfer.utils.atomic_file import atomic_write_json
    from mmfer.utils.config_options import parse_options
    from mmfer.utils.image_size import image_size
    from mmfer.visualization.cost_growth import draw_cost_growth
    from mmfer.visualization.encoder_costs import draw_encoder_costs
    from mmfer.visualization.figures import save_figure

    init_default_scope('mmfer')
    torch.set_num_threads(args.threads)
    try:
        options = parse_options(args.cfg_options)
        configs = {
            label: load_config(path, options)
            for label, path in zip(args.labels, args.configs, strict=True)
        }
        how = (args.turns, args.device, CLOCKS[args.clock])
        if args.ensemble:
            costs, draw = measure_encoder_costs(configs, args.ensemble, *how), draw_encoder_costs
        else:
            sizes = args.sizes or [max(image_size(configs[args.labels[0]])[0])]
            costs, draw = measure_growth(configs, args.batch_sizes, sizes, *how), draw_cost_growth
        # First, so that measurements are not lost if the figure cannot be drawn or written.
        print(*costs, sep='\n', flush=True)
        if args.json:
            atomic_write_json(args.json, [asdict(cost) for cost in costs])
        save_figure(draw(costs), args.out)
    except (ValueError, OSError) as error:
        sys.exit(f'error: {error}')
    print(f'wrote {args.out}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
