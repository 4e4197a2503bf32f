# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Plot the ROC curve of face verification over all pairs of images, or over the pairs of a file.

Examples:
    python tools/visualization/vis_roc.py CONFIG CHECKPOINT --out roc.png
    # compared with a second model
    python tools/visualization/vis_roc.py CONFIG CHECKPOINT --versus CONFIG CHECKPOINT --out roc.png
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from mmfer.cli.exit_status import exit_status
from mmfer.cli.figure_arguments import add_versus, make_parser


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = make_parser(__doc__, 'roc.png')
    parser.add_argument(
        '--far',
        type=float,
        nargs='+',
        default=[0.001],
        help='false acceptance rates to mark, between 0 and 1 (default: 0.001)',
    )
    add_versus(parser)
    parser.add_argument(
        '--pairs-file', help='text file with lines PATH PATH 0|1 (default: all pairs)'
    )
    args = parser.parse_args(argv)
    if not all(0 < far < 1 for far in args.far):
        parser.error(f'--far must be between 0 and 1, not {args.far}')
    return args


def main(argv: Sequence[str] | None = None) -> int:
    return exit_status(draw, parse_args(argv))


def draw(args: argparse.Namespace) -> None:
    # Imported late, so that --help is quick.
    import numpy as np

    from mmfer.evaluation.functional.verification import RocCurve, all_pairs_roc, pairs_roc
    from mmfer.evaluation.pairs_file import find_pairs, read_pairs
    from mmfer.inference.model_runner import ModelRunner
    from mmfer.inference.split_loader import build_split_loader
    from mmfer.visualization.figures import save_figure
    from mmfer.visualization.roc import draw_roc

    pairs = args.pairs_file and read_pairs(args.pairs_file)

    def curve_of(config: str, checkpoint: str) -> RocCurve:
        runner = ModelRunner.from_files(config, checkpoint, args.cfg_options, args.device)
        loader = build_split_loader(runner.cfg, args.split, args.num)
        features, labels, paths = [], [], []
        for face in runner.inspect_all(loader, ('img_path',) if pairs else ('gt_label',)):
            features.append(face.adapted)
            labels.append(int(face.sample.gt_label) if not pairs else 0)
            paths.append(face.sample.get('img_path'))
        features = np.stack(features)
        if pairs:
            return pairs_roc(features, *find_pairs(pairs, paths))
        return all_pairs_roc(features, np.array(labels))

    curves = {}
    for config, checkpoint in [(args.config, args.checkpoint), *args.versus]:
        names = (Path(config).stem, f'{Path(config).stem}, {checkpoint}', f'{config}, {checkpoint}')
        name = next((name for name in names if name not in curves), names[-1])
        curves[name] = curve_of(config, checkpoint)
    save_figure(draw_roc(curves, sorted(args.far), 'Face verification'), args.out)
    for name, curve in curves.items():
        rates = ', '.join(f'{100 * curve.tar_at(far):.2f} % at FAR {far:g}' for far in args.far)
        print(f'{name}: TAR {rates}')
    print(f'{len(curves)} ROC curves drawn to {args.out}')


if __name__ == '__main__':
    sys.exit(main())
