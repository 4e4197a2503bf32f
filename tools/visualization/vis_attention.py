# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Draw which patches a prediction is based on, before and after pooling (the paper's Figure 7).

The default is the attribution of Chefer et al. (CVPR 2021): attention, weighted by the gradient and
the relevance of a class. Attention rollout is available too. Both are mapped back to the patches,
including dropped ones.

Examples:
    # faces of the test set; "before" is the same model without pooling
    python tools/visualization/vis_attention.py CONFIG CHECKPOINT --num 6 --out attention.png
    # "before" is a model that was trained without pooling
    python tools/visualization/vis_attention.py CONFIG CHECKPOINT --baseline CONFIG CHECKPOINT
    # evidence for another class than the predicted one; rollout, which does not depend on a class
    python tools/visualization/vis_attention.py CONFIG CHECKPOINT --target-class Fear
    python tools/visualization/vis_attention.py CONFIG CHECKPOINT --method rollout
    # your own images (aligned faces), another number of patches
    python tools/visualization/vis_attention.py CONFIG CHECKPOINT --images a.jpg b.jpg --keep 80
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
        '--baseline',
        '--compare',
        nargs=2,
        metavar=('CONFIG', 'CHECKPOINT'),
        help='model for the column before pooling (default: the same model without pooling)',
    )
    parser.add_argument(
        '--keep-nums',
        '--keep',
        nargs='*',
        type=positive,
        metavar='K',
        help='draw patch pooling with these k (default: in proportion to 160, 120 and 80 of 196 in '
        'the paper)',
    )
    parser.add_argument(
        '--method',
        choices=['attribution', 'rollout'],
        default='attribution',
        help='how maps are computed (default: %(default)s, as in the paper)',
    )
    parser.add_argument(
        '--target-class',
        default='predicted',
        metavar='NAME',
        help="the class of --method attribution: a name, 'true', or 'predicted' (the default)",
    )
    parser.add_argument(
        '--heads',
        choices=['mean', 'max'],
        default='mean',
        help='how attention heads are combined (default: %(default)s)',
    )
    add_out(parser, 'attention.png')
    add_config_options(parser, 'override settings of the config (not that of --baseline)')
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    return exit_status(draw, parse_args(argv))


def draw(args: argparse.Namespace) -> None:
    # Imported late, so that --help is quick.
    from mmfer.analysis.compare_attention import compare_attention
    from mmfer.visualization.figures import save_figure

    figure = compare_attention(
        args.config,
        args.checkpoint,
        args.baseline,
        keep_nums=args.keep_nums,
        num=args.num,
        images=args.images or (),
        method=args.method,
        target=args.target_class,
        heads=args.heads,
        cfg_options=args.cfg_options,
        device=args.device,
    )
    save_figure(figure, args.out)
    print(f'attention drawn to {args.out}')


if __name__ == '__main__':
    sys.exit(main())
