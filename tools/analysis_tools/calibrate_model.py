# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Calibrate the scores of a classifier by one temperature in its last layer.

    python tools/analysis_tools/calibrate_model.py CONFIG CHECKPOINT --out calibrated.pth

fits the temperature on the validation split (val_dataloader), divides the weights and the bias of
the last layer by it, and writes the weights without the optimizer. Only scores change; the
predicted classes stay the same. The expected calibration error (ECE) over 15 bins and the negative
log-likelihood (NLL), before and after, are printed and stored with the weights.

Exit status: 0 if the file was written; 1 if the model cannot be calibrated; 2 if a file or an
option does not exist.
"""

import argparse
import sys
from collections.abc import Sequence

from mmfer.cli.exit_status import exit_status
from mmfer.cli.figure_arguments import add_trained_model, figure_file
from mmfer.utils.config_arguments import add_config_options, tool_parser


def main(argv: Sequence[str] | None = None) -> int:
    parser = tool_parser(__doc__)
    add_trained_model(parser)
    parser.add_argument('--out', required=True, metavar='FILE', help='checkpoint to write, .pth')
    parser.add_argument(
        '--plot',
        type=figure_file,
        metavar='FILE',
        help='also plot accuracy against confidence, before and after',
    )
    add_config_options(parser)
    return exit_status(calibrate, parser.parse_args(argv))


def calibrate(args: argparse.Namespace) -> None:
    # Imported late, so that --help is quick.
    from mmfer.apis.calibrate_model import calibrate_model

    found = calibrate_model(args.config, args.checkpoint, args.out, args.cfg_options, args.device)
    facts = found.facts
    print(f'temperature {facts["temperature"]:.4f}, fitted on {facts["images"]} images')
    print(f'ECE {facts["ece_before"]:.2f} -> {facts["ece_after"]:.2f} %')
    print(f'NLL {facts["nll_before"]:.4f} -> {facts["nll_after"]:.4f}')
    print(f'wrote {args.out}')
    if args.plot:
        from mmfer.visualization.figures import save_figure
        from mmfer.visualization.reliability import draw_reliability

        panels = {'as trained': found.before, 'calibrated': found.after}
        save_figure(draw_reliability(panels), args.plot)
        print(f'drew {args.plot}')


if __name__ == '__main__':
    sys.exit(main())
