# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Draw which patches of a face APP and each pooling block keep.

Examples:
    # faces of the config's test set
    python tools/visualization/vis_pooling.py CONFIG CHECKPOINT --num 8 --out pooling.png
    # pictures of your own (aligned faces), patch pooling only, three faces in a row
    python tools/visualization/vis_pooling.py CONFIG CHECKPOINT --images a.jpg b.jpg c.jpg \\
        --stages app --per-row 3 --out pooling.png
"""

import sys
from collections.abc import Sequence

from mmfer.cli.figure_arguments import add_out, add_test_faces, add_trained_model, positive
from mmfer.utils.config_arguments import add_config_options, tool_parser


def main(argv: Sequence[str] | None = None) -> int:
    parser = tool_parser(__doc__)
    add_trained_model(parser)
    add_test_faces(parser)
    parser.add_argument(
        '--stages',
        nargs='+',
        metavar='STAGE',
        help='what to draw: app, layers.4, ... (default: every stage that pools)',
    )
    parser.add_argument('--per-row', type=positive, default=1, help='faces in a row (default: 1)')
    add_out(parser, 'pooling.png')
    add_config_options(parser)
    args = parser.parse_args(argv)

    # Imported late: --help answers at once.
    from mmfer.analysis.pooling import face_batches, pooled_faces
    from mmfer.inference.model_runner import ModelRunner
    from mmfer.visualization.figures import save_figure
    from mmfer.visualization.pooling import draw_pooling

    runner = ModelRunner.from_files(args.config, args.checkpoint, args.cfg_options, args.device)
    batches = face_batches(runner, args.num, args.images or ())
    faces = [face for batch in batches for face in pooled_faces(runner, batch)]
    stages = args.stages or list(faces[0].kept)
    for face in faces:
        unknown = set(stages) - set(face.kept)
        if unknown:
            sys.exit(f'error: --stages {sorted(unknown)}: this model pools at {list(face.kept)}')
        face.kept = {stage: face.kept[stage] for stage in stages}
    save_figure(draw_pooling(faces, args.per_row), args.out)
    print(f'{len(faces)} faces drawn to {args.out}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
