# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Make of a training checkpoint a file for other people.

    python tools/model_converters/publish_model.py CONFIG CHECKPOINT OUT.safetensors

writes OUT-<digits>.safetensors with the first eight digits of its sha256: the weights, and as
metadata the class names, the task, the input size, the normalisation, the whole config and the
licence. No optimizer, no frozen priors, no pickle. The same files give the same bytes.

Exit status: 0 when it was written; 1 when the checkpoint does not fit the config or cannot be read;
2 when there is no such file or option.
"""

import argparse
import sys
from collections.abc import Sequence

from mmfer.utils.config_arguments import add_config_options


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='config file that the checkpoint was trained with')
    parser.add_argument('checkpoint', help='the trained checkpoint')
    parser.add_argument('out', help='file to write, NAME.safetensors; digits are put into its name')
    parser.add_argument(
        '--licence',
        metavar='SPDX',
        default='unspecified',
        help='of the weights, such as CC-BY-NC-4.0; mind the terms of the data they were trained '
        'on (default: unspecified)',
    )
    add_config_options(parser)
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    # Imported late: --help answers at once.
    from mmfer.apis.publish_model import publish_model
    from mmfer.checkpoint.safe_load import CheckpointError
    from mmfer.utils.config_options import UnknownOptionError, parse_options

    try:
        options = parse_options(args.cfg_options)
        path = publish_model(args.config, args.checkpoint, args.out, args.licence, options)
    except (FileNotFoundError, UnknownOptionError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 2
    except (CheckpointError, OSError, ValueError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    print(f'wrote {path} ({path.stat().st_size / 2**20:.1f} MiB), licence {args.licence}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
