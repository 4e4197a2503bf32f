# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Test a trained model."""

import argparse
import os
import sys
from collections.abc import Sequence

from mmfer.utils.config_arguments import add_config_options, add_launcher_options, tool_parser


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = tool_parser(__doc__)
    parser.add_argument('config', help='path of the config file')
    parser.add_argument('checkpoint', help='path or URL of the checkpoint')
    parser.add_argument(
        '--work-dir', help='folder for logs and results (default: ./work_dirs/NAME_OF_CONFIG)'
    )
    parser.add_argument(
        '--out',
        metavar='FILE',
        help='save results: metrics as .json, .yaml or .pkl, predictions as .pkl (see --out-item)',
    )
    parser.add_argument(
        '--out-item',
        choices=['metrics', 'pred'],
        help='what --out saves (default: predictions for .pkl, metrics otherwise)',
    )
    parser.add_argument(
        '--show-dir',
        metavar='DIR',
        help='save images with drawn labels and predictions to DIR; file names are the index in '
        'the test set and the path',
    )
    parser.add_argument(
        '--interval', type=int, default=1, metavar='N', help='draw every N-th image (default: 1)'
    )
    parser.add_argument(
        '--tta',
        action='store_true',
        help='test-time augmentation: average the class scores of each image and its mirror image, '
        'or use tta_pipeline and tta_model of the config',
    )
    add_config_options(parser)
    add_launcher_options(parser)
    args = parser.parse_args(argv)
    if args.out is None and args.out_item is not None:
        parser.error('--out-item needs --out FILE')
    if args.interval < 1:
        parser.error(f'--interval must be 1 or more, not {args.interval}')
    if args.tta and args.show_dir is not None:
        parser.error('--show-dir draws one view of an image, but --tta has several: use only one')
    suffix = os.path.splitext(args.out or '')[1]
    if args.out_item is None:
        args.out_item = 'pred' if suffix in ('.pkl', '.pickle') else 'metrics'
    allowed = ['.pkl', '.pickle'] + (['.json', '.yaml', '.yml'] * (args.out_item == 'metrics'))
    if args.out is not None and suffix not in allowed:
        parser.error(f'--out {args.out}: {args.out_item} can be saved as {", ".join(allowed)}')
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    return args


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    # Imported late, so that --help is quick.
    import mmengine
    from mmengine.dist import is_main_process
    from mmengine.evaluator import DumpResults

    from mmfer.engine import launch
    from mmfer.engine.test_time_aug import set_tta
    from mmfer.utils.config_options import parse_options

    if '://' not in args.checkpoint and not os.path.isfile(args.checkpoint):
        raise FileNotFoundError(f'there is no checkpoint {args.checkpoint} (from {os.getcwd()})')
    options = parse_options(args.cfg_options)
    cfg = launch.load_config(args.config, options, args.work_dir, args.launcher)
    cfg.load_from = args.checkpoint
    cfg.resume = False
    weights_match = (cfg.get('default_hooks') or {}).get('weights_match')
    if weights_match and 'default_hooks.weights_match.min_matched' not in options:
        # Training may start from part of a model, but testing such a model would be meaningless.
        weights_match.min_matched = 1.0
    if args.tta:
        set_tta(cfg)
    if args.show_dir:
        drawing = dict(
            type='VisualizationHook', enable=True, out_dir=args.show_dir, interval=args.interval
        )
        cfg.default_hooks = dict(cfg.get('default_hooks') or {}, visualization=drawing)
        cfg.visualizer = cfg.get('visualizer') or dict(type='UniversalVisualizer')

    runner = launch.build_runner(cfg)
    if args.out and args.out_item == 'pred':
        runner.test_evaluator.metrics.append(DumpResults(out_file_path=args.out))
    metrics = runner.test()
    if args.out and args.out_item == 'metrics' and is_main_process():
        mmengine.mkdir_or_exist(os.path.dirname(os.path.abspath(args.out)))
        # The confusion matrix is a tensor, which JSON and YAML do not support.
        plain = {k: v.tolist() if hasattr(v, 'tolist') else v for k, v in metrics.items()}
        mmengine.dump(plain, args.out)
    return 0


if __name__ == '__main__':
    sys.exit(main())
