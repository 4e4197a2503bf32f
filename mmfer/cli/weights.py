# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""List the files of others that configs start from, or get one: download, check, convert.

python -m mmfer weights
python -m mmfer weights get vit-small_imagenet
python -m mmfer weights get ir50_ms1m --url ~/Downloads/backbone_ir50_ms1m_epoch120.pth

Only `get` downloads, and only from addresses of https. Licence and terms are those that the list
says: read them first.
"""

import argparse
import contextlib
import shutil
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '-v', '--configs', action='store_true', help='list the configs that need each file as well'
    )
    actions = parser.add_subparsers(dest='action', title='action')
    get = actions.add_parser(
        'get',
        help='download, check and convert files (default: list all)',
        description='Download files, check their sha256, and convert them to what configs read. '
        'What was cut goes on from there.',
    )
    get.add_argument('names', nargs='+', metavar='NAME', help='as in the list')
    where = get.add_mutually_exclusive_group()
    where.add_argument(
        '--dir', type=Path, help='folder to write to (default: checkpoints, where configs look)'
    )
    where.add_argument('--out', type=Path, metavar='FILE', help='file to write, for one NAME')
    get.add_argument(
        '--url',
        help='for one NAME: the file as published, by an address (https://, file://) or a path',
    )
    get.add_argument(
        '--sha256',
        metavar='DIGITS',
        help='of that file, the first eight digits or more (default: that of the list, where the '
        'name of the file is the same)',
    )
    get.add_argument('--force', action='store_true', help='replace a file that is there')


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
    there = [Path(entry.file).is_file() for entry in entries]
    for entry, is_there in zip(entries, there, strict=True):
        names = users.get(entry.file, [])
        state = 'is not there'
        if is_there:
            reason = entry.why_not_whole(entry.file)
            state = f'is there, but {reason}' if reason else 'is there and whole'
        count = f'{len(names)} configs start' if len(names) != 1 else '1 config starts'
        by_hand = '' if entry.url else f', for {entry.source}'
        print(f'{entry.name}: {entry.what}')
        _print_field('file', f'{entry.file} {state}; {count} from it')
        _print_field('terms', f'{entry.licence}; {entry.terms}')
        _print_field('page', entry.page + by_hand)
        if not is_there:
            _print_field('get', entry.command())
        for name in names if with_names else ():
            print(f'    {name}')
        print()
    print(f'{sum(there)} of {len(there)} are there, seen from {Path.cwd()}')
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
    """Which configs start from each file."""
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
            raise CommandError(f'there are no weights {name!r}, only {", ".join(known)}')
    if len(args.names) > 1 and (args.out or args.url or args.sha256):
        raise CommandError('--out, --url and --sha256 are for one NAME')
    if args.sha256 and not args.url:
        raise CommandError('--sha256 is that of a file that --url names')
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
    """Yield what takes the bytes that are there and those of the whole, and draws a bar of them."""
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
