# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Plot predicted against true ages.

Example:
    python tools/visualization/vis_age.py CONFIG CHECKPOINT --out ages.png
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from mmfer.cli.exit_status import exit_status
from mmfer.cli.figure_arguments import make_parser


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = make_parser(__doc__, 'ages.png')
    parser.add_argument(
        '--theta', type=float, default=5, help='tolerance in years (default: %(default)g)'
    )
    args = parser.parse_args(argv)
    if not args.theta > 0:
        parser.error(f'--theta must be more than 0 years, not {args.theta:g}')
    return args


def main(argv: Sequence[str] | None = None) -> int:
    return exit_status(draw, parse_args(argv))


def draw(args: argparse.Namespace) -> None:
    # Imported late, so that --help is quick.
    from mmfer.inference.model_runner import ModelRunner
    from mmfer.inference.split_loader import build_split_loader
    from mmfer.visualization.ages import draw_ages
    from mmfer.visualization.figures import save_figure

    runner = ModelRunner.from_files(args.config, args.checkpoint, args.cfg_options, args.device)
    loader = build_split_loader(runner.cfg, args.split, args.num)
    faces = runner.inspect_all(loader, ('gt_age', 'pred_age'))
    ages = [(float(face.sample.gt_age), face.sample.pred_age) for face in faces]  # not the images
    figure = draw_ages(*zip(*ages, strict=True), args.theta, Path(args.config).stem)
    save_figure(figure, args.out)
    print(f'{len(ages)} faces drawn to {args.out}')


if __name__ == '__main__':
    sys.exit(main())
