# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""List the pre-trained weights that configs start from, or get one: download, check, convert.

python -m mmfer weights
python -m mmfer weights get vit-small_imagenet
python -m mmfer weights get ir50_ms1m --url ~/Downloads/backbone_ir50_ms1m_epoch120.pth

Only `get` downloads, and only by https. The list shows the license and the terms of each file: read
them first.
"""

import argparse
import contextlib
import shutil
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '-v', '--configs', action='store_true', help='also list the configs that need each file'
    )
    actions = parser.add_subparsers(dest='action', title='action')
    get = actions.add_parser(
        'get',
        help='download, check and convert files (default: list all)',
        description='Download files, check their sha256, and convert them to the format that '
        'configs load. An interrupted download is resumed.',
    )
    get.add_argument('names', nargs='+', metavar='NAME', help='name in the list')
    where = get.add_mutually_exclusive_group()
    where.add_argument(
        '--dir',
        type=Path,
        help='output folder (default: checkpoints, where configs expect the files)',
    )
    where.add_argument('--out', type=Path, metavar='FILE', help='output file, for one NAME')
    get.add_argument(
        '--url',
        help='for one NAME: URL (https://, file://) or path of the published file',
    )
    get.add_argument(
        '--sha256',
        metavar='DIGITS',
        help='sha256 of that file, at least the first eight digits (default: that of the list, if '
        'the file name is the same)',
    )
    get.add_argument('--force', action='store_true', help='replace an existing file')


def run(args: argparse.Namespace) -> int:
    return _get(args) if args.action == 'get' else _list(args.configs)


def _list(with_names: bool) -> int:
    from mmfer.checkpoint.starting_weights import read_starting_weights

    from . import CommandError

    try:
        users = _users()
    except FileNotFoundError as error:
        raise CommandError(error) from error
    entries = read_starting_weights().values()
    existing = [Path(entry.file).is_file() for entry in entries]
    for entry, exists in zip(entries, existing, strict=True):
        names = users.get(entry.file, [])
        state = 'is missing'
        if exists:
            reason = entry.why_not_whole(entry.file)
            state = f'exists, but {reason}' if reason else 'exists and is complete'
        count = f'{len(names)} configs start' if len(names) != 1 else '1 config starts'
        by_hand = '' if entry.url else f', for {entry.source}'
        print(f'{entry.name}: {entry.what}')
        _print_field('file', f'{entry.file} {state}; {count} from it')
        _print_field('terms', f'{entry.licence}; {entry.terms}')
        _print_field('page', entry.page + by_hand)
        if not exists:
            _print_field('get', entry.command())
        for name in names if with_names else ():
            print(f'    {name}')
        print()
    print(f'{sum(existing)} of {len(existing)} files exist, relative to {Path.cwd()}')
    return 0


def _print_field(name: str, text: str) -> None:
    print(
        textwrap.fill(
            f'  {name:<6} {text}',
            min(shutil.get_terminal_size((100, 24)).columns, 100),
            subsequent_indent=' ' * 9,
            break_long_words=False,
            break_on_hyphens=False,
        )
    )


def _users() -> dict[str, list[str]]:
    """Return a dict file -> names of the configs that start from it."""
    from mmengine.config import Config

    from mmfer.apis.model_index import config_files
    from mmfer.engine.starting_files import starts

    users = {}
    for name, path in config_files().items():
        for file in set(starts(Config.fromfile(path)).values()):
            users.setdefault(file, []).append(name)
    return users


def _get(args: argparse.Namespace) -> int:
    from mmfer.apis.get_weights import get_weights
    from mmfer.checkpoint import CheckpointError
    from mmfer.checkpoint.starting_weights import read_starting_weights

    from . import CommandError

    known = read_starting_weights()
    for name in args.names:
        if name not in known:
            raise CommandError(f'unknown weights {name!r}; known are {", ".join(known)}')
    if len(args.names) > 1 and (args.out or args.url or args.sha256):
        raise CommandError('--out, --url and --sha256 are for one NAME')
    if args.sha256 and not args.url:
        raise CommandError('--sha256 needs --url')
    for name in args.names:
        entry = known[name]
        target = args.out or (args.dir and args.dir / Path(entry.file).name)
        try:
            with _bar() as progress:
                get_weights(entry, target, args.url, args.sha256, args.force, progress=progress)
        except (CheckpointError, OSError, ValueError) as error:
            raise CommandError(error) from error
    return 0


@contextlib.contextmanager
def _bar() -> Iterator[Callable[[int, int | None], None]]:
    """Yield a function of the downloaded and the total bytes that draws a progress bar."""
    from rich import progress as rich
    from rich.console import Console

    bar = rich.Progress(
        rich.BarColumn(),
        rich.DownloadColumn(),
        rich.TransferSpeedColumn(),
        rich.TimeRemainingColumn(),
        console=Console(stderr=True),
    )

    def show(done: int, total: int | None) -> None:
        if not bar.task_ids:
            bar.add_task('', completed=done, total=total)
            bar.start()
        bar.update(bar.task_ids[0], completed=done, total=total)
        if done == total:
            bar.stop()

    try:
        yield show
    finally:
        if bar.live.is_started:
            bar.stop()
