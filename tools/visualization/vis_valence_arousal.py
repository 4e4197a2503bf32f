# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Plot predicted against true valence and arousal, and all faces in the circumplex.

Unlabeled faces are skipped.

Example:
    python tools/visualization/vis_valence_arousal.py CONFIG CHECKPOINT --out places.png
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from mmfer.cli.exit_status import exit_status
from mmfer.cli.figure_arguments import make_parser


def main(argv: Sequence[str] | None = None) -> int:
    return exit_status(draw, make_parser(__doc__, 'valence_arousal.png').parse_args(argv))


def draw(args: argparse.Namespace) -> None:
    # Imported late, so that --help is quick.
    import numpy as np

    from mmfer.inference.model_runner import ModelRunner
    from mmfer.inference.split_loader import build_split_loader
    from mmfer.visualization.figures import save_figure
    from mmfer.visualization.valence_arousal import draw_valence_arousal

    runner = ModelRunner.from_files(args.config, args.checkpoint, args.cfg_options, args.device)
    loader = build_split_loader(runner.cfg, args.split, args.num)
    keys = ('gt_valence_arousal', 'pred_valence_arousal')
    faces = runner.inspect_all(loader, keys)
    pairs = [[np.asarray(face.sample.get(key)) for key in keys] for face in faces]
    true, pred = np.array(pairs).swapaxes(0, 1)
    known = (np.abs(true) <= 1).all(axis=1)
    if not known.any():
        raise ValueError(
            f'none of {len(true)} faces of the split is labeled with valence and arousal; '
            'use another split or more faces (--split, --num)'
        )
    figure = draw_valence_arousal(true[known], pred[known], Path(args.config).stem)
    save_figure(figure, args.out)
    skipped = f', {(~known).sum()} without a label skipped' if not known.all() else ''
    print(f'{known.sum()} faces drawn to {args.out}{skipped}')


if __name__ == '__main__':
    sys.exit(main())
