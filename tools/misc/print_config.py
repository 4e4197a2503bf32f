# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Print a config with its bases and overrides resolved."""

import sys
from collections.abc import Sequence
from pathlib import Path

from mmfer.utils.config_arguments import add_config_options, tool_parser


def main(argv: Sequence[str] | None = None) -> int:
    parser = tool_parser(__doc__)
    parser.add_argument('config', help='path of the config file')
    parser.add_argument(
        '--save-path', metavar='FILE', help='also write it to FILE (.py, .json, .yaml)'
    )
    add_config_options(parser)
    args = parser.parse_args(argv)

    from mmengine.fileio import dump

    from mmfer.utils.atomic_file import atomic_write_text
    from mmfer.utils.config_options import parse_options, read_config

    path = Path(args.save_path or 'config.py')
    if path.suffix not in ('.py', '.json', '.yaml', '.yml'):
        parser.error(f'--save-path {path}: must end in .py, .json, .yaml or .yml')
    cfg = read_config(args.config, parse_options(args.cfg_options))
    if args.save_path:
        # Convert before the file is opened: not every config can be written in every format.
        text = cfg.pretty_text
        if path.suffix != '.py':
            text = dump(cfg.to_dict(), file_format=path.suffix[1:])
        atomic_write_text(path, text)
    print(cfg.pretty_text)
    return 0


if __name__ == '__main__':
    sys.exit(main())
