# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import os
from pathlib import Path

#: What a file of an image may be called.
IMAGE_SUFFIXES = ('.jpg', '.jpeg', '.png', '.bmp', '.webp', '.tif', '.tiff')


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


def _raise(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):  # which has no files
        raise error
