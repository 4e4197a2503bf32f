# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Get the pre-trained weights that configs start from: download, check and convert them."""

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

_UNVERIFIED = '(not verified: no known sha256 to compare with)'


def get_weights(
    entry: StartingWeights,
    target: str | Path | None = None,
    url: str | None = None,
    sha256: str | None = None,
    force: bool = False,
    log: Callable[[str], None] = print,
    progress: Callable[[int, int | None], None] = lambda done, total: None,
) -> Path:
    """Get the weights of an entry and write the file that configs load.

    The original file is downloaded next to it under its published name, checked by its sha256,
    converted, and deleted. If a file of that name already exists, it is used and kept.

    Args:
        entry (StartingWeights): The weights to get.
        target (str | Path, optional): The file to write. Defaults to the path in the configs.
        url (str, optional): An https or file URL, or a path, to use instead of the URL of the
            entry.
        sha256 (str, optional): SHA256 of the file at ``url``, at least the first eight digits.
            Defaults to that of the entry if the file name is the same; else it is not checked.
        force (bool): Whether to replace an existing file. Defaults to False.
        log (Callable[[str], None]): Called with each line of the report.
        progress (Callable[[int, int | None], None]): See :func:`.download`.

    Returns:
        The file.

    Raises:
        FileExistsError: The file exists, but is not complete.
        FileNotFoundError: The file or the page does not exist.
        ValueError: No public URL is known and no ``url`` is given, ``sha256`` is malformed, or the
            file does not belong to the entry; nothing was written.
        CheckpointError: See :func:`.download`; or the file is not a checkpoint.
        OSError: See :func:`.download`.
    """
    target = Path(target or entry.file)
    if sha256 is not None and not re.fullmatch('[0-9a-fA-F]{8,64}', sha256):
        raise ValueError(f'--sha256 must be 8 to 64 hexadecimal digits, got {sha256!r}')
    if target.is_file() and not force:
        reason = entry.why_not_whole(target)
        if reason:
            raise FileExistsError(f'{target} exists, but {reason}. --force replaces it')
        log(f'{target} already exists')
        return target
    source, own = _source(entry, target, url, sha256, log, progress)
    try:
        if entry.converter is not None:
            _convert(entry, source, target)
        else:
            load_weights(str(source))
            if own:
                _copy(source, target)
            else:
                os.replace(source, target)
            log(f'wrote {target}')
    except (CheckpointError, ValueError) as error:
        kept = source if own else source.replace(f'{source}.bad')
        raise ValueError(f'{error}\n{kept} is not the original file of {entry.name}') from error
    if not own and source != target:
        source.unlink(missing_ok=True)
    return target


def _source(entry, target, url, sha256, log, progress) -> tuple[Path, bool]:
    """Return the checked original file, and whether it belongs to the user, who keeps it."""
    original = target.with_name(entry.source)
    path = None if url is None else _local(url)
    if url is None and original.is_file():
        path = original
        log(f'using {original}, which already exists')
    if path is not None:
        if not path.is_file():
            raise FileNotFoundError(f'there is no file {path} (relative to {os.getcwd()})')
        wanted = sha256 or (entry.sha256 if path.name == entry.source else None)
        found = file_digest(path)
        if not found.startswith((wanted or '').lower()):
            raise CheckpointError(
                f'{path} is not the expected file, or it is damaged: its sha256 is {found}, not '
                f'{wanted}. If it is the right file, pass --url {path} --sha256 {found[:8]}'
            )
        if wanted is None:
            log(f'sha256 of {path}: {found} {_UNVERIFIED}')
        return path, True
    if url is None and entry.url is None:
        raise ValueError(f'no public URL of {entry.source} is known: {entry.how_to_get()}')
    address = url or entry.url
    if sha256 is None and Path(urlsplit(address).path).name == entry.source:
        sha256 = entry.sha256
    log(f'downloading {address}')
    try:
        download(address, original, sha256, log=log, progress=progress)
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f'{error}. Look for it at {entry.page}, and pass its URL or path: --url'
        ) from error
    if sha256 is None:
        log(f'sha256 of {original}: {file_digest(original)} {_UNVERIFIED}')
    return original, False


def _local(url: str) -> Path | None:
    """Return the path of a path or a file URL; None for other URLs."""
    if '://' not in url:
        return Path(url).expanduser()
    parts = urlsplit(url)
    return Path(url2pathname(parts.path)) if parts.scheme == 'file' else None


def _convert(entry: StartingWeights, source: Path, target: Path) -> None:
    """Run the converter of an entry."""
    name, *options = shlex.split(entry.converter)
    path = index_folder() / 'tools' / 'model_converters' / name
    spec = importlib.util.spec_from_file_location(path.stem, path)
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    try:
        tool.main([str(source), str(target), *options])
    except SystemExit as stop:  # the converter ends like a command, with a message
        raise ValueError(str(stop.code).removeprefix('error: ')) from stop


def _copy(source: Path, target: Path) -> None:
    with open(source, 'rb') as there, replacing(target) as here:
        shutil.copyfileobj(there, here)
