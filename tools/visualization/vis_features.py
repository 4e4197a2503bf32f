# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Place features in the plane by t-SNE, before and after the KT-Adapter (Figures 6 and 7).

Before is the average of the canonical encoder's map, after is what the decoder gets. A model
without an adapter has one panel.

Example:
    python tools/visualization/vis_features.py CONFIG CHECKPOINT --out features.png
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from mmfer.cli.figure_arguments import make_parser

COLOURS = ('auto', 'label', 'age', 'none')


def main(argv: Sequence[str] | None = None) -> int:
    parser = make_parser(__doc__, 'features.png', 1000, '1000')
    parser.add_argument(
        '--colour',
        choices=COLOURS,
        default='auto',
        help='what points are coloured by; auto: by class where the data has classes, by age where '
        'the head predicts ages, else not at all (default: auto)',
    )
    parser.add_argument('--seed', type=int, default=0, help='of t-SNE (default: 0)')
    args = parser.parse_args(argv)

    # Imported late: --help answers at once.
    import numpy as np

    from mmfer.inference.model_runner import ModelRunner
    from mmfer.inference.split_loader import build_split_loader
    from mmfer.visualization.embedding import draw_embedding
    from mmfer.visualization.figures import save_figure

    runner = ModelRunner.from_files(args.config, args.checkpoint, args.cfg_options, args.device)
    loader = build_split_loader(runner.cfg, args.split, args.num)
    classes = tuple(map(str, loader.dataset.dataset.metainfo.get('classes') or ()))
    colour = args.colour
    if colour == 'auto':
        colour = 'label' if classes else 'none'
        if runner.task == 'age':
            colour = 'age'
    field = {'label': ('gt_label',), 'age': ('gt_age',), 'none': ()}[colour]
    faces = list(runner.inspect_all(loader, field))
    if colour == 'label':  # -1 is for frames that are labelled for another task only
        faces = [face for face in faces if int(face.sample.gt_label) >= 0]
    encoded = np.stack([face.encoded for face in faces])
    adapted = np.stack([face.adapted for face in faces])
    panels = {'features of the encoder': encoded}
    if not np.array_equal(encoded, adapted):
        panels = {'before the adapter': encoded, 'after the adapter': adapted}
    groups = {}
    if colour == 'label':
        groups['labels'] = np.array([int(face.sample.gt_label) for face in faces])
        groups['classes'] = classes
    elif colour == 'age':
        groups['ages'] = np.array([float(face.sample.gt_age) for face in faces])
    title = f'{Path(args.config).stem}, {len(faces)} faces'
    save_figure(draw_embedding(panels, **groups, title=title, seed=args.seed), args.out)
    print(f'{len(faces)} faces drawn to {args.out}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
