# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Train a model."""

import argparse
import os
import sys
from collections.abc import Sequence

from mmfer.utils.config_arguments import add_config_options, add_launcher_options, tool_parser


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = tool_parser(__doc__)
    parser.add_argument('config', help='path of the config file')
    parser.add_argument(
        '--work-dir',
        help='folder for logs and checkpoints (default: ./work_dirs/NAME_OF_CONFIG)',
    )
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        metavar='CHECKPOINT',
        help='resume an interrupted run from this checkpoint or, without a value, from the newest '
        'one in the work folder that loads',
    )
    parser.add_argument(
        '--amp',
        nargs='?',
        const='fp16',
        choices=['fp16', 'bf16'],
        help='mixed precision: fp16 (GPU only, the default if no value is given) or bf16',
    )
    parser.add_argument('--no-validate', action='store_true', help='do not validate while training')
    parser.add_argument(
        '--auto-scale-lr',
        action='store_true',
        help='scale the learning rate with the batch size over all processes',
    )
    parser.add_argument('--compile', action='store_true', help='compile the model (torch.compile)')
    parser.add_argument('--seed', type=int, help='random seed (default: that of the config)')
    parser.add_argument(
        '--deterministic', action='store_true', help='use deterministic algorithms only'
    )
    add_config_options(parser)
    add_launcher_options(parser)
    args = parser.parse_args(argv)
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    return args


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    # Imported late, so that --help is quick.
    from mmfer.engine import launch
    from mmfer.engine.starting_files import require_starting_files
    from mmfer.utils.config_options import parse_options

    options = parse_options(args.cfg_options)
    cfg = launch.load_config(args.config, options, args.work_dir, args.launcher)
    if args.no_validate:
        cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    if args.seed is not None:
        cfg.randomness = dict(cfg.get('randomness', {}), seed=args.seed)
    if args.deterministic:
        launch.set_deterministic(cfg)
    if args.amp:
        launch.set_amp(cfg, args.amp)
    if args.auto_scale_lr:
        launch.set_auto_scale_lr(cfg)
    if args.compile:
        cfg.compile = True
    with launch.one_training(cfg):
        launch.set_resume(cfg, args.resume)
        require_starting_files(cfg)
        launch.build_runner(cfg).train()
    return 0


if __name__ == '__main__':
    sys.exit(main())
