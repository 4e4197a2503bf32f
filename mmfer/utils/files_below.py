# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import logging
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from mmengine.logging import print_log

from .image_header import HEAD, image_format, is_video
from .image_plug_ins import PLUG_IN_FORMATS, needed_package

#: What a file of an image may be called in data sets, which have a layout.
IMAGE_SUFFIXES = ('.jpg', '.jpeg', '.png', '.bmp', '.webp', '.tif', '.tiff')
VIDEO_SUFFIXES = ('.mp4', '.avi', '.mov', '.mkv', '.webm', '.m4v', '.mpg', '.mpeg', '.wmv')

IMAGE, VIDEO = 'image', 'video'

# Text that lies beside images, as labels and descriptions do; it is counted, not named.
_BESIDE = ('.txt', '.json', '.jsonl', '.csv', '.xml', '.yml', '.yaml', '.md')
_NAMED = 10


# What systems leave in folders beside hidden files (`._*`, `.DS_Store`, `.ipynb_checkpoints`).
_LEFT_BY_SYSTEMS = ('thumbs.db', 'desktop.ini', '__macosx')


def is_junk(name: str) -> bool:
    """Whether a file or folder is none of the user's: hidden, or left there by an operating system.

    Every reader of folders asks here, so that all agree on what is in one.
    """
    return name.startswith('.') or name.lower() in _LEFT_BY_SYSTEMS


def files_below(folder: str | Path) -> list[Path]:
    """Files in a folder and in all below it, sorted, without junk (:func:`is_junk`).

    Links to folders are followed, as datasets and their loaders do, but every folder is looked into
    once: a link that leads back, or to a place that was found without it, adds nothing.

    Raises:
        OSError: A folder cannot be read, above all a PermissionError; it is named. A part of the
            files would look like all of them.
    """
    found, seen, starts = [], set(), [Path(folder)]
    for start in starts:  # which gets links as they are met, behind the tree that they are in
        for place, folders, names in os.walk(start, onerror=_raise):
            real = os.path.realpath(place)
            if real in seen:
                folders.clear()
                continue
            seen.add(real)
            folders[:] = [name for name in folders if not is_junk(name)]
            found += [Path(place, name) for name in names if not is_junk(name)]
            starts += [path for name in sorted(folders) if (path := Path(place, name)).is_symlink()]
    return sorted(found)


def media_kind(path: Path) -> str | None:
    """Whether a file is an image or a film, by its content and not by its name.

    A file whose content is neither but whose name says so is damaged; reading it gives the error.

    Returns:
        :data:`IMAGE`, :data:`VIDEO`, or None for everything else, also for what is no file that has
        an end (a pipe, a device).
    """
    if path.exists() and not path.is_file():
        return None
    head = _head(path)  # where there is none its name decides, and reading it tells why
    if image_format(head):
        return IMAGE
    if is_video(head):
        return VIDEO
    suffix = path.suffix.lower()
    if suffix in IMAGE_SUFFIXES:
        return IMAGE
    return VIDEO if suffix in VIDEO_SUFFIXES else None


def _head(path: Path) -> bytes:
    try:
        with open(path, 'rb') as file:
            return file.read(HEAD)
    except OSError:
        return b''


def needed_packages(paths: Iterable[Path]) -> dict[Path, str]:
    """The package (:func:`.needed_package`) of each image that is not read without one."""
    if not any(map(needed_package, PLUG_IN_FORMATS)):
        return {}
    packages = {path: needed_package(image_format(_head(path))) for path in paths}
    return {path: package for path, package in packages.items() if package}


def media_below(
    folder: str | Path, kinds: Sequence[str] = (IMAGE, VIDEO)
) -> tuple[list[Path], list[Path]]:
    """Images and films in a folder and in all below it, by :func:`media_kind`.

    Args:
        folder (str | Path): See :func:`files_below`.
        kinds (Sequence[str]): Which of them to find. Defaults to both.

    Returns:
        Those, and the files that are left out; both sorted.
    """
    found, left_out = [], []
    for path in files_below(folder):
        (found if media_kind(path) in kinds else left_out).append(path)
    return found, left_out


def warn_left_out(
    folder: str | Path, left_out: Sequence[Path], kinds: Sequence[str] = (IMAGE, VIDEO)
) -> None:
    """Say in the log which files of a folder :func:`media_below` left out, if any."""
    texts = Counter(path.suffix.lower() for path in left_out if path.suffix.lower() in _BESIDE)
    names = [
        path.relative_to(folder).as_posix() for path in left_out if path.suffix.lower() not in texts
    ]
    said = names[:_NAMED]
    if len(names) > _NAMED:
        said.append(f'{len(names) - _NAMED} more')
    said += [f'{count} of {suffix}' for suffix, count in sorted(texts.items())]
    if said:
        print_log(
            f"'{folder}': {len(left_out)} left out as no {' or '.join(kinds)}: {', '.join(said)}",
            'current',
            logging.WARNING if names else logging.INFO,
        )


def warn_needed(folder: str | Path, packages: Mapping[Path, str]) -> None:
    """Say in the log, in one line, which images of a folder are skipped and what to install."""
    if packages:
        names = [path.relative_to(folder).as_posix() for path in packages]
        said = names[:_NAMED]
        if len(names) > _NAMED:
            said.append(f'{len(names) - _NAMED} more')
        print_log(
            f"'{folder}': {len(names)} images are skipped: {', '.join(said)}; to read them: "
            + install_command(packages.values()),
            'current',
            logging.WARNING,
        )


def install_command(packages: Iterable[str]) -> str:
    """The command that installs packages."""
    return f'pip install {" ".join(sorted(set(packages)))}'


def _raise(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):  # which has no files
        raise error
