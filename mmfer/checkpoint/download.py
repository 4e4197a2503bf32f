# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Download a file: interrupted downloads resume, and the file is checked before it is renamed."""

import errno
import http.client
import os
import shutil
import urllib.error
import urllib.request
from collections.abc import Callable, Collection
from pathlib import Path
from urllib.parse import urlsplit

from mmfer.utils.file_digest import file_digest
from mmfer.utils.file_lock import file_lock

from . import CheckpointError

_TIMEOUT = 60  # seconds without an answer
_CHUNK = 1 << 20  # bytes
_REFUSED = (401, 403, 404, 410)
_BEYOND_THE_END = 416


def download(
    url: str,
    path: str | Path,
    sha256: str | None = None,
    schemes: Collection[str] = ('https',),
    log: Callable[[str], None] = lambda line: None,
    progress: Callable[[int, int | None], None] = lambda done, total: None,
) -> None:
    """Download a file to ``PATH.part``, and rename it when it is complete and checked.

    If the connection breaks, ``PATH.part`` stays, together with ``PATH.part.tag``, which identifies
    the server's version of the file. The next call then downloads only the rest. If the server
    sends no such tag (``ETag``, ``Last-Modified``), nothing is kept. Only one process at a time
    downloads to a path. Proxies and certificates come from the environment (``https_proxy``,
    ``no_proxy``; ``SSL_CERT_FILE``).

    Args:
        url (str): The URL.
        path (str | Path): The file to write. Missing folders are created.
        sha256 (str, optional): The expected sha256, or its first digits. Defaults to None: not
            checked.
        schemes (Collection[str]): The allowed schemes of URLs. A redirect never leads from https
            to another scheme. Defaults to ``('https',)``.
        log (Callable[[str], None]): Called with one line for each redirect to another host, and
            before waiting for another process. Does nothing by default.
        progress (Callable[[int, int | None], None]): Called after each chunk with the number of
            bytes so far and the total (None if unknown). Does nothing by default.

    Raises:
        CheckpointError: The URL or the target of a redirect is not allowed; or the file does not
            match ``sha256`` and was renamed to ``PATH.bad``.
        FileNotFoundError: The file does not exist on the server or is not public.
        OSError: There is no connection, it broke, or the disk is full.
    """
    _check_scheme(url, schemes)
    path, part, tag = Path(path), Path(f'{path}.part'), Path(f'{path}.part.tag')
    others = []

    def wait(holder: str) -> None:
        others.append(holder)
        log(f'waiting for {holder}, which is downloading {path}')

    with file_lock(f'{part}.lock', wait):
        if others and path.is_file():
            return
        try:
            _fetch(url, part, tag, urllib.request.build_opener(_Redirects(schemes, log)), progress)
        except BaseException:  # also Ctrl-C
            if not tag.is_file():
                part.unlink(missing_ok=True)
            raise
        tag.unlink(missing_ok=True)
        if sha256 and not (found := file_digest(part)).startswith(sha256.lower()):
            os.replace(part, f'{path}.bad')
            raise CheckpointError(
                f'{url} is not the expected file, or was changed on its way: its sha256 is '
                f'{found}, not {sha256}. It is not used, and kept as {path}.bad for inspection'
            )
        os.replace(part, path)


def _check_scheme(url: str, schemes: Collection[str]) -> None:
    if urlsplit(url).scheme not in schemes:
        raise CheckpointError(
            f'{url} was not downloaded: only {" or ".join(schemes)} is allowed, because anything '
            'else can be changed on its way'
        )


class _Redirects(urllib.request.HTTPRedirectHandler):
    def __init__(self, schemes: Collection[str], log: Callable[[str], None]):
        self.schemes = schemes
        self.log = log

    def redirect_request(self, req, fp, code, msg, headers, newurl):
        _check_scheme(newurl, ('https',) if req.type == 'https' else self.schemes)
        here, there = req.host.partition(':')[0], urlsplit(newurl).hostname
        if here != there:
            self.log(f'redirected: {here} -> {there}')
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _fetch(url: str, part: Path, tag: Path, opener, progress: Callable) -> None:
    """Download the file, or its missing rest, to ``part``."""
    headers, done = {}, 0
    if tag.is_file() and part.is_file():
        done = part.stat().st_size
        # If the file has changed, the server sends all of it.
        headers = {'Range': f'bytes={done}-', 'If-Range': tag.read_text()}
    try:
        answer = opener.open(urllib.request.Request(url, headers=headers), timeout=_TIMEOUT)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == _BEYOND_THE_END and done:
            tag.unlink()
            return _fetch(url, part, tag, opener, progress)
        kind = FileNotFoundError if error.code in _REFUSED else OSError
        reason = http.client.responses.get(error.code, 'unknown')
        raise kind(f'{url}: the server returned {error.code} ({reason})') from error
    except (OSError, http.client.HTTPException) as error:
        raise OSError(
            f'{url}: no connection ({getattr(error, "reason", error)}). Behind a proxy, set '
            'https_proxy'
        ) from error
    with answer:
        if answer.headers.get_content_type() == 'text/html':
            raise OSError(f'{url} is a web page, not a checkpoint: open it in a browser')
        if answer.status != http.HTTPStatus.PARTIAL_CONTENT:
            done = 0
        elif not answer.headers.get('Content-Range', '').startswith(f'bytes {done}-'):
            raise OSError(f'{url}: the server sent another part than requested')
        _write(url, answer, part, tag, done, progress)


def _write(url: str, answer, part: Path, tag: Path, done: int, progress: Callable) -> None:
    """Append the response to the first ``done`` bytes of ``part``."""
    length = answer.headers.get('Content-Length')
    total = None if length is None else done + int(length)
    free = shutil.disk_usage(part.parent).free
    if total is not None and total - done > free:
        raise _no_room(part, f'{_mib(total - done)} needed, {_mib(free)} free')
    with open(part, 'ab' if done else 'wb') as file:
        if not done:
            _keep_mark(answer.headers, tag)
        try:
            while chunk := answer.read(_CHUNK):
                file.write(chunk)
                done += len(chunk)
                progress(done, total)
        except http.client.HTTPException as error:
            raise _cut(url, done, total, tag) from error
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise _no_room(part, error.strerror) from error
            raise _cut(url, done, total, tag) from error
        file.flush()
        os.fsync(file.fileno())
    if total is not None and done != total:
        raise _cut(url, done, total, tag)


def _mib(size: int) -> str:
    return f'{size / 2**20:.1f} MiB'


def _no_room(part: Path, reason: str) -> OSError:
    return OSError(
        errno.ENOSPC,
        f'the disk is full ({reason}). Make room or use another folder, and run the same command '
        'again',
        str(part),
    )


def _cut(url: str, done: int, total: int | None, tag: Path) -> OSError:
    return OSError(
        f'{url}: the connection broke after {done} bytes of {total or "unknown"}. Run the same '
        f'command again: it {"resumes from there" if tag.is_file() else "starts from zero"}'
    )


def _keep_mark(headers: http.client.HTTPMessage, tag: Path) -> None:
    """Store the tag of the server's version of the file, if the server sends one."""
    mark = headers.get('ETag') or ''
    if not mark.startswith('"'):  # a weak ETag is not valid for partial downloads
        mark = headers.get('Last-Modified') or ''
    if mark:
        tag.write_text(mark)
    else:
        tag.unlink(missing_ok=True)
