# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Draw which patches of a face are kept by APP and by each pooling block.

With ``--transfer``, draw the paper's Figure 1 instead: the attention map that TransFER multiplies
with the patches, next to the patches that APP keeps.

Examples:
    # faces of the config's test set
    python tools/visualization/vis_pooling.py CONFIG CHECKPOINT --num 8 --out pooling.png
    # your own images (aligned faces), only patch pooling, three faces per row
    python tools/visualization/vis_pooling.py CONFIG CHECKPOINT --images a.jpg b.jpg c.jpg \\
        --stages app --per-row 3 --out pooling.png
    # TransFER's map next to the patches that APViT keeps
    python tools/visualization/vis_pooling.py CONFIG CHECKPOINT --transfer CONFIG CHECKPOINT
"""

import argparse
import sys
from collections.abc import Sequence

from mmfer.cli.exit_status import exit_status
from mmfer.cli.figure_arguments import add_out, add_test_faces, add_trained_model, positive
from mmfer.utils.config_arguments import add_config_options, tool_parser


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = tool_parser(__doc__)
    add_trained_model(parser)
    add_test_faces(parser)
    parser.add_argument(
        '--stages',
        nargs='+',
        metavar='STAGE',
        help='stages to draw: app, layers.4, ... (default: every stage that pools)',
    )
    parser.add_argument('--per-row', type=positive, default=1, help='faces per row (default: 1)')
    parser.add_argument(
        '--transfer',
        nargs=2,
        metavar=('CONFIG', 'CHECKPOINT'),
        help='a TransFER whose attention map is drawn next to the patches that APP keeps',
    )
    add_out(parser, 'pooling.png')
    add_config_options(parser)
    args = parser.parse_args(argv)
    if args.transfer and (args.stages or args.per_row != 1):
        parser.error('--transfer draws only APP, one face per row: omit --stages and --per-row')
    return args


def main(argv: Sequence[str] | None = None) -> int:
    return exit_status(draw, parse_args(argv))


def draw(args: argparse.Namespace) -> None:
    # Imported late, so that --help is quick.
    from mmfer.analysis.compare_maps import compare_maps
    from mmfer.analysis.pooling import face_batches, pooled_faces
    from mmfer.inference.model_runner import ModelRunner
    from mmfer.visualization.figures import save_figure
    from mmfer.visualization.pooling import draw_pooling

    if args.transfer:
        figure = compare_maps(
            args.config,
            args.checkpoint,
            args.transfer,
            num=args.num,
            images=args.images or (),
            cfg_options=args.cfg_options,
            device=args.device,
        )
        save_figure(figure, args.out)
        print(f'maps drawn to {args.out}')
        return
    runner = ModelRunner.from_files(args.config, args.checkpoint, args.cfg_options, args.device)
    batches = face_batches(runner, args.num, args.images or ())
    faces = [face for batch in batches for face in pooled_faces(runner, batch)]
    stages = args.stages or list(faces[0].kept)
    for face in faces:
        unknown = set(stages) - set(face.kept)
        if unknown:
            raise ValueError(f'--stages {sorted(unknown)}: this model pools at {list(face.kept)}')
        face.kept = {stage: face.kept[stage] for stage in stages}
    save_figure(draw_pooling(faces, args.per_row), args.out)
    print(f'{len(faces)} faces drawn to {args.out}')


if __name__ == '__main__':
    sys.exit(main())
