# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import logging
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from mmengine.logging import print_log

from .image_header import HEAD, image_format, is_video
from .image_plug_ins import PLUG_IN_FORMATS, needed_package
from .short_list import first

#: Usual extensions of images. Files with another one are images if their content says so.
IMAGE_SUFFIXES = ('.jpg', '.jpeg', '.png', '.bmp', '.webp', '.tif', '.tiff')
VIDEO_SUFFIXES = ('.mp4', '.avi', '.mov', '.mkv', '.webm', '.m4v', '.mpg', '.mpeg', '.wmv')

IMAGE, VIDEO = 'image', 'video'

# Text files next to images, such as labels and descriptions; they are counted, not listed.
_BESIDE = ('.txt', '.json', '.jsonl', '.csv', '.xml', '.yml', '.yaml', '.md')
_NAMED = 10


# Files of operating systems, besides hidden ones (`._*`, `.DS_Store`, `.ipynb_checkpoints`).
_LEFT_BY_SYSTEMS = ('thumbs.db', 'desktop.ini', '__macosx')


def is_junk(name: str) -> bool:
    """Return whether a file or folder is hidden or belongs to an operating system.

    All code that lists folders uses this function, so that all of it finds the same files.
    """
    return name.startswith('.') or name.lower() in _LEFT_BY_SYSTEMS


def files_below(folder: str | Path) -> list[Path]:
    """Return the sorted files in a folder and its subfolders, without junk (:func:`is_junk`).

    Links to folders are followed, but every folder is read once: a link that leads back, or to a
    folder that was already found, adds nothing.

    Raises:
        OSError: A folder cannot be read, usually a PermissionError that names it. Otherwise some of
            the files could be mistaken for all of them.
    """
    found, seen, starts = [], set(), [Path(folder)]
    for start in starts:  # links are appended here, to be followed after the current tree
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
    """Return whether a file is an image or a video, by its content.

    A file that is neither, but has the extension of one, counts as such: it is damaged, and reading
    it raises an error.

    Returns:
        :data:`IMAGE`, :data:`VIDEO`, or None for everything else, including pipes and devices.
    """
    if path.exists() and not path.is_file():
        return None
    head = _head(path)  # empty if unreadable: then the extension decides, and reading it will fail
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
    """Return the missing package (:func:`.needed_package`) of each image that needs one."""
    if not any(map(needed_package, PLUG_IN_FORMATS)):
        return {}
    packages = {path: needed_package(image_format(_head(path))) for path in paths}
    return {path: package for path, package in packages.items() if package}


def media_below(
    folder: str | Path, kinds: Sequence[str] = (IMAGE, VIDEO)
) -> tuple[list[Path], list[Path]]:
    """Find images and videos in a folder and its subfolders, by :func:`media_kind`.

    Args:
        folder (str | Path): See :func:`files_below`.
        kinds (Sequence[str]): The kinds to find. Defaults to ``(IMAGE, VIDEO)``.

    Returns:
        The files found, and the files skipped; both sorted.
    """
    found, skipped = [], []
    for path in files_below(folder):
        (found if media_kind(path) in kinds else skipped).append(path)
    return found, skipped


def warn_skipped(
    folder: str | Path, skipped: Sequence[Path], kinds: Sequence[str] = (IMAGE, VIDEO)
) -> None:
    """Log which files in a folder :func:`media_below` skipped, if any."""
    texts = Counter(path.suffix.lower() for path in skipped if path.suffix.lower() in _BESIDE)
    names = [
        path.relative_to(folder).as_posix() for path in skipped if path.suffix.lower() not in texts
    ]
    listed = first(names, _NAMED)
    listed += [f'{count} of {suffix}' for suffix, count in sorted(texts.items())]
    if listed:
        print_log(
            f"'{folder}': {len(skipped)} skipped (no {' or '.join(kinds)}): {', '.join(listed)}",
            'current',
            logging.WARNING if names else logging.INFO,
        )


def warn_needed(folder: str | Path, packages: Mapping[Path, str]) -> None:
    """Log in one line which images in a folder are skipped, and what to install to read them."""
    if packages:
        names = [path.relative_to(folder).as_posix() for path in packages]
        are = 'image is' if len(names) == 1 else 'images are'
        print_log(
            f"'{folder}': {len(names)} {are} skipped: {', '.join(first(names, _NAMED))}; to read "
            'them: ' + install_command(packages.values()),
            'current',
            logging.WARNING,
        )


def install_command(packages: Iterable[str]) -> str:
    """Return the command that installs packages."""
    return f'pip install {" ".join(sorted(set(packages)))}'


def _raise(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):  # a missing folder has no files
        raise error
