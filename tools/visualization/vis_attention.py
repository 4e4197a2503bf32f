# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Draw which patches attention looks at, before and after pooling (the paper's Figure 7).

Attention is rolled out over all blocks and mapped back to the patches, dropped ones included.

Examples:
    # faces of the test set; "before" is the same model while nothing is pooled
    python tools/visualization/vis_attention.py CONFIG CHECKPOINT --num 6 --out attention.png
    # "before" is a model that was trained without pooling
    python tools/visualization/vis_attention.py CONFIG CHECKPOINT --compare CONFIG CHECKPOINT
    # pictures of your own (aligned faces), other numbers of patches
    python tools/visualization/vis_attention.py CONFIG CHECKPOINT --images a.jpg b.jpg --keep 80 20
"""

import argparse
import sys
from pathlib import Path

from model_arguments import positive


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description='Draw which patches attention looks at, before and after pooling.'
    )
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='checkpoint of the model')
    parser.add_argument(
        '--compare',
        nargs=2,
        metavar=('CONFIG', 'CHECKPOINT'),
        help='model for the column before pooling (default: the same one while nothing is pooled)',
    )
    parser.add_argument(
        '--images', nargs='+', metavar='FILE', help='pictures of aligned faces (default: test set)'
    )
    parser.add_argument(
        '--num',
        type=positive,
        default=6,
        metavar='N',
        help='faces to take from the test set (default: %(default)s)',
    )
    parser.add_argument(
        '--keep',
        nargs='*',
        type=positive,
        metavar='K',
        help="draw patch pooling with these k (default: the paper's 160, 120 and 80 of 196, in "
        'proportion)',
    )
    parser.add_argument(
        '--heads',
        choices=['mean', 'max'],
        default='mean',
        help='how attention heads are joined (default: %(default)s)',
    )
    parser.add_argument(
        '--out',
        default='attention.png',
        metavar='FILE',
        help='figure to write: .png, .pdf, .svg, ... (default: %(default)s)',
    )
    parser.add_argument('--device', default='cpu', help='where the model runs (default: cpu)')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        default=[],
        metavar='KEY=VALUE',
        help='settings that override the config (not that of --compare)',
    )
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    # Imported late: --help answers at once.
    from mmfer.apis.attention import AttentionInspector
    from mmfer.apis.attention_rows import AttentionRows
    from mmfer.visualization.attention import draw_attention
    from mmfer.visualization.figures import save_figure

    after = AttentionInspector.from_files(
        args.config, args.checkpoint, args.cfg_options, args.device
    )
    after.heads = args.heads
    before, names = None, ('attention,\nnothing pooled', 'attention,\npooled')
    if args.compare:
        before = AttentionInspector.from_files(*args.compare, device=args.device)
        before.heads = args.heads
        # Names of configs begin with the method.
        methods = [Path(path).stem.split('_')[0] for path in (args.compare[0], args.config)]
        names = tuple(f'attention,\n{method}' for method in methods)
    try:
        inspector = AttentionRows(after, before, args.keep)
    except ValueError as error:
        sys.exit(f'error: --keep: {error}')
    if args.images:
        rows = inspector.inspect_files(args.images)
    else:
        rows = inspector.inspect_test_set(args.num)
    save_figure(draw_attention(rows, names, Path(args.config).stem), args.out)
    print(f'{len(rows)} faces drawn to {args.out}')


if __name__ == '__main__':
    main()
