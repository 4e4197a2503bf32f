# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Check a dataset for leaks between its splits, duplicates, and broken or odd files.

    python tools/misc/audit_dataset.py CONFIG --workers 4 --out work_dirs/audit
    python tools/misc/audit_dataset.py train=data/my/train test=data/my/test

Pass one or more configs, whose training, validation and test sets are checked, or named folders.
Copies are also found if they were encoded again, resized, changed in brightness, cropped by a few
pixels or mirrored; docs/audit.md explains how, and how well.

The report in OUT contains images of faces. It is written there and nowhere else.

Exit status: 0 if no image is in two splits, every file is readable, and boxes and points fit their
image; 1 if not; 2 if the arguments, a config or a dataset's layout are wrong; 130 after Ctrl-C.
Duplicates inside a split, contradicting labels and odd files are reported, but are not a failure.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from mmfer.utils.config_arguments import (
    add_config_options,
    add_workers_option,
    positive,
    tool_parser,
)


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = tool_parser(__doc__)
    parser.add_argument('sources', nargs='+', metavar='CONFIG | NAME=DIR')
    parser.add_argument('--out', type=Path, help='folder for the report (default: no report)')
    add_workers_option(parser)
    parser.add_argument(
        '--max-shown',
        type=positive,
        default=100,
        help='most groups, pairs or files shown per section of the report (default: 100)',
    )
    parser.add_argument(
        '--disjoint-people',
        action='store_true',
        help='people in two splits are a failure too; for datasets that know the people',
    )
    add_config_options(parser)
    args = parser.parse_args(argv)
    check_sources(parser, args.sources)
    if args.out and args.out.exists() and not args.out.is_dir():
        parser.error(f'--out {args.out} is a file; it must be a folder or not exist')
    return args


def is_config(source: str) -> bool:
    """Return whether a source is a config, not NAME=DIR."""
    return source.endswith('.py') and '=' not in source


def check_sources(parser: argparse.ArgumentParser, sources: list[str]) -> None:
    """Exit with an error if a source is neither, or if two have the same name in reports."""
    names = []
    for source in sources:
        name, equals, folder = source.partition('=')
        if is_config(source):
            names.append(Path(source).stem)
        elif name and equals and folder:
            names.append(name)
        else:
            parser.error(f'{source!r} is neither a config (.py) nor NAME=DIR')
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        parser.error(f'the names {twice} are used more than once; each source needs its own')


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    # Imported late, so that --help is quick.
    from mmfer.audit import audit, merge_equal, to_text, write_report

    try:
        splits = merge_equal(collect(args.sources, args.cfg_options))
    except (OSError, KeyError, TypeError, ValueError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 2
    try:
        result = audit(splits, args.workers, show_progress)
    except KeyboardInterrupt:
        print('\ninterrupted; nothing was written', file=sys.stderr)
        return 130
    # Printed first, so that the findings are not lost if the report cannot be written. File names
    # need not be valid text.
    encoding = sys.stdout.encoding or 'utf-8'
    print(to_text(result).encode(encoding, 'backslashreplace').decode(encoding), flush=True)
    if args.out:
        try:
            write_report(result, splits, args.out, args.max_shown)
        except OSError as error:
            print(f'error: {error}', file=sys.stderr)
            return 2
        print(f'\nreport: {args.out / "report.html"} (and .json); it contains images of faces')
    shared = args.disjoint_people and any(entry['people'] for entry in result.people)
    if shared:
        print('people are in two splits, which --disjoint-people forbids', file=sys.stderr)
    return 0 if result.clean and not shared else 1


def collect(sources: list[str], options: list[str]) -> list:
    """Return the splits of all sources; with several sources, names start with their config."""
    from mmengine.registry import init_default_scope

    from mmfer.audit import split_of_folder, splits_of_config
    from mmfer.utils.config_options import merge_options, parse_options, read_config

    configs = [source for source in sources if is_config(source)]
    folders = [source.split('=', maxsplit=1) for source in sources if not is_config(source)]
    splits = [split_of_folder(name, folder) for name, folder in folders]
    for path in configs:
        cfg = read_config(path)
        init_default_scope(cfg.get('default_scope', 'mmfer'))
        merge_options(cfg, parse_options(options))
        splits += splits_of_config(cfg, f'{Path(path).stem}:' if len(sources) > 1 else '')
    return splits


def show_progress(items, total: int, title: str):
    """Show a progress bar on stderr, so that stdout can be piped."""
    from rich.console import Console
    from rich.progress import track

    return track(items, title, total, console=Console(stderr=True), disable=total == 0)


if __name__ == '__main__':
    sys.exit(main())
