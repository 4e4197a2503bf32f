# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Print a config with its bases and overrides resolved."""

import sys
from collections.abc import Sequence

from mmfer.utils.config_arguments import add_config_options, tool_parser


def main(argv: Sequence[str] | None = None) -> int:
    parser = tool_parser(__doc__)
    parser.add_argument('config', help='path of the config file')
    parser.add_argument(
        '--save-path', metavar='FILE', help='also write it here (.py, .json, .yaml)'
    )
    add_config_options(parser)
    args = parser.parse_args(argv)

    from mmfer.utils.config_options import parse_options, read_config

    cfg = read_config(args.config, parse_options(args.cfg_options))
    print(cfg.pretty_text)
    if args.save_path:
        if not args.save_path.endswith(('.py', '.json', '.yaml', '.yml')):
            parser.error(f'--save-path {args.save_path}: write .py, .json, .yaml or .yml')
        cfg.dump(args.save_path)
    return 0


if __name__ == '__main__':
    sys.exit(main())
