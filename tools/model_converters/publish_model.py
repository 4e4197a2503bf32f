# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Convert a training checkpoint to a file for publication.

    python tools/model_converters/publish_model.py CONFIG CHECKPOINT OUT.safetensors

writes OUT-<digits>.safetensors, with the first eight digits of its sha256. It contains the weights
and, as metadata, the class names, the task, the input size, the normalization, the full config and
the license, but no optimizer, no frozen priors and no pickle. The same inputs give the same bytes.

--facts FILE.yml adds the purpose, the training data and the results of the model. The results of
tools/analysis_tools/calibrate_model.py are included. `python -m mmfer models
OUT-<digits>.safetensors --facts` prints all of it.

Exit status: 0 if the file was written; 1 if the checkpoint does not fit the config or cannot be
read; 2 if a file or an option does not exist.
"""

import argparse
import sys
from collections.abc import Sequence

from mmfer.cli.exit_status import exit_status
from mmfer.deployment.command_line import add_licence_option
from mmfer.utils.config_arguments import add_config_options, tool_parser


def main(argv: Sequence[str] | None = None) -> int:
    parser = tool_parser(__doc__)
    parser.add_argument('config', help='config file that the checkpoint was trained with')
    parser.add_argument('checkpoint', help='the trained checkpoint')
    parser.add_argument('out', help='file to write, NAME.safetensors; digits are added to its name')
    parser.add_argument(
        '--half',
        action='store_true',
        help='store weights in half precision, for half the size; computation stays in float32',
    )
    parser.add_argument(
        '--facts',
        metavar='FILE.yml',
        help='purpose, date, training_data and results, see docs/models/README.md',
    )
    add_licence_option(parser)
    add_config_options(parser)
    return exit_status(publish, parser.parse_args(argv))


def publish(args: argparse.Namespace) -> None:
    # Imported late, so that --help is quick.
    from mmfer.apis.publish_model import publish_model
    from mmfer.utils.config_options import parse_options

    options = parse_options(args.cfg_options)
    path = publish_model(
        args.config, args.checkpoint, args.out, args.licence, options, args.half, args.facts
    )
    print(f'wrote {path} ({path.stat().st_size / 2**20:.1f} MiB), licence {args.licence}')


if __name__ == '__main__':
    sys.exit(main())
