# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Get the files that configs start from: download, check and convert them."""

import importlib.util
import os
import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from mmfer.checkpoint import CheckpointError
from mmfer.checkpoint.download import download
from mmfer.checkpoint.safe_load import load_weights
from mmfer.checkpoint.starting_weights import StartingWeights
from mmfer.utils.atomic_file import replacing
from mmfer.utils.file_digest import file_digest

from .model_index import index_folder


def get_weights(
    entry: StartingWeights,
    target: str | Path | None = None,
    url: str | None = None,
    sha256: str | None = None,
    force: bool = False,
    say: Callable[[str], None] = print,
    progress: Callable[[int, int | None], None] = lambda done, total: None,
) -> Path:
    """Put the file of an entry where configs read it.

    What is downloaded lies beside it under the name that it was published with, is checked by its
    sha256, converted, and deleted. A file of that name that is there already is used and stays.

    Args:
        entry (StartingWeights): What to get.
        target (str | Path, optional): The file to write. Default: where configs look for it.
        url (str, optional): An address of https or file, or a path, in place of that of the entry.
        sha256 (str, optional): Of what ``url`` names: the first eight digits or more. Defaults to
            that of the entry where the name of the file is the same, else it is not checked.
        force (bool): Replace a file that is there. Defaults to False.
        say (Callable[[str], None]): Takes each line of the report.
        progress (Callable[[int, int | None], None]): See :func:`.download`.

    Returns:
        The file.

    Raises:
        FileExistsError: The file is there, and not whole.
        FileNotFoundError: There is no such file, or no such page.
        ValueError: No public address is known and no ``url`` given, ``sha256`` is none, or the
            file is not that of the entry; nothing was written.
        CheckpointError: See :func:`.download`; or the file is no checkpoint.
        OSError: See :func:`.download`.
    """
    target = Path(target or entry.file)
    if sha256 is not None and not re.fullmatch('[0-9a-fA-F]{8,64}', sha256):
        raise ValueError(f'--sha256 must be 8 to 64 hexadecimal digits, got {sha256!r}')
    if target.is_file() and not force:
        reason = entry.why_not_whole(target)
        if reason:
            raise FileExistsError(f'{target} is there, but {reason}. --force replaces it')
        say(f'{target} is there already')
        return target
    source, own = _source(entry, target, url, sha256, say, progress)
    try:
        if entry.converter is not None:
            _convert(entry, source, target)
        else:
            load_weights(str(source))
            if own:
                _copy(source, target)
            else:
                os.replace(source, target)
            say(f'wrote {target}')
    except (CheckpointError, ValueError) as error:
        kept = source if own else source.replace(f'{source}.bad')
        raise ValueError(f'{error}\n{kept} is not what {entry.name} is made of') from error
    if not own and source != target:
        source.unlink(missing_ok=True)
    return target


def _source(entry, target, url, sha256, say, progress) -> tuple[Path, bool]:
    """The file as published, checked; and whether it is the user's own, who keeps it."""
    beside = target.with_name(entry.source)
    path = None if url is None else _local(url)
    if url is None and beside.is_file():
        path = beside
        say(f'using {beside}, which is there already')
    if path is not None:
        if not path.is_file():
            raise FileNotFoundError(f'there is no file {path} (from {os.getcwd()})')
        wanted = sha256 or (entry.sha256 if path.name == entry.source else None)
        found = file_digest(path)
        if not found.startswith((wanted or '').lower()):
            raise CheckpointError(
                f'{path} is another file than expected, or damaged: its sha256 is {found}, not '
                f'{wanted}. If it is the right one, say so: --url {path} --sha256 {found[:8]}'
            )
        if wanted is None:
            say(f'sha256 of {path}: {found}, with nothing to compare it with')
        return path, True
    if url is None and entry.url is None:
        raise ValueError(f'no public address of {entry.source} is known: {entry.how_to_get()}')
    address = url or entry.url
    if sha256 is None and Path(urlsplit(address).path).name == entry.source:
        sha256 = entry.sha256
    say(f'downloading {address}')
    try:
        download(address, beside, sha256, say=say, progress=progress)
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f'{error}. Look for it at {entry.page}, and name its address or the file: --url'
        ) from error
    if sha256 is None:
        say(f'sha256 of {beside}: {file_digest(beside)}, with nothing to compare it with')
    return beside, False


def _local(url: str) -> Path | None:
    """The file that an address or a path names; None for an address of another machine."""
    if '://' not in url:
        return Path(url).expanduser()
    parts = urlsplit(url)
    return Path(url2pathname(parts.path)) if parts.scheme == 'file' else None


def _convert(entry: StartingWeights, source: Path, target: Path) -> None:
    """Run the tool that converts it."""
    name, *options = shlex.split(entry.converter)
    path = index_folder() / 'tools' / 'model_converters' / name
    spec = importlib.util.spec_from_file_location(path.stem, path)
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    try:
        tool.main([str(source), str(target), *options])
    except SystemExit as stop:  # as its command line ends, with a message
        raise ValueError(str(stop.code).removeprefix('error: ')) from stop


def _copy(source: Path, target: Path) -> None:
    with open(source, 'rb') as there, replacing(target) as here:
        shutil.copyfileobj(there, here)
