# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Draw faces with true and predicted landmarks.

Examples:
    # 16 faces of the test set
    python tools/visualization/vis_landmarks.py CONFIG CHECKPOINT --num 16 --out landmarks.png
    # the 8 faces with the largest error, as lines
    python tools/visualization/vis_landmarks.py CONFIG CHECKPOINT --worst 8 --lines --out worst.png
"""

import argparse
import heapq
import sys
from collections.abc import Sequence
from pathlib import Path

from mmfer.cli.exit_status import exit_status
from mmfer.cli.figure_arguments import make_parser, positive


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = make_parser(__doc__, 'landmarks.png', num_default='12, or all with --worst')
    parser.add_argument(
        '--worst',
        type=positive,
        metavar='N',
        help='draw only the N faces with the largest errors',
    )
    parser.add_argument('--per-row', type=positive, default=4, help='faces per row (default: 4)')
    parser.add_argument('--lines', action='store_true', help='draw lines instead of points')
    args = parser.parse_args(argv)
    if args.worst is None and args.num is None:
        args.num = 12
    return args


def main(argv: Sequence[str] | None = None) -> int:
    return exit_status(draw, parse_args(argv))


def draw(args: argparse.Namespace) -> None:
    # Imported late, so that --help is quick.
    import numpy as np

    from mmfer.evaluation.functional.landmarks import normalized_mean_error
    from mmfer.inference.model_runner import ModelRunner
    from mmfer.inference.split_loader import build_split_loader
    from mmfer.visualization.figures import save_figure
    from mmfer.visualization.landmarks import LandmarkedFace, draw_landmarks

    def face_of(face) -> LandmarkedFace:
        truth = np.asarray(face.sample.gt_landmarks, np.float32)
        pred = face.sample.pred_landmarks.numpy()
        nme = normalized_mean_error(pred[None], truth[None])[0]
        return LandmarkedFace(face.image, truth, pred, nme, f'no. {face.index}')

    runner = ModelRunner.from_files(args.config, args.checkpoint, args.cfg_options, args.device)
    loader = build_split_loader(runner.cfg, args.split, args.num)
    faces = map(face_of, runner.inspect_all(loader, ('gt_landmarks', 'pred_landmarks')))
    title = Path(args.config).stem
    if args.worst:
        # Keeps only N images in memory.
        faces = heapq.nlargest(args.worst, faces, key=lambda face: face.nme)
        title += f'\nthe {len(faces)} largest errors of {len(loader.dataset)} faces'
    faces = list(faces)
    save_figure(draw_landmarks(faces, args.per_row, args.lines, title), args.out)
    print(f'{len(faces)} faces drawn to {args.out}')


if __name__ == '__main__':
    sys.exit(main())
