# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import os
from pathlib import Path

#: What a file of an image may be called.
IMAGE_SUFFIXES = ('.jpg', '.jpeg', '.png', '.bmp', '.webp', '.tif', '.tiff')


def files_below(folder: str | Path) -> list[Path]:
    """Files in a folder and in all below it, sorted; hidden ones, too.

    Links to folders are followed, as datasets and their loaders do, but every folder is looked into
    once: a link that leads back, or to a place that was found without it, adds nothing.
    """
    found, seen, starts = [], set(), [Path(folder)]
    for start in starts:  # which gets links as they are met, behind the tree that they are in
        for place, folders, names in os.walk(start):
            real = os.path.realpath(place)
            if real in seen:
                folders.clear()
                continue
            seen.add(real)
            found += [Path(place, name) for name in names]
            starts += [path for name in sorted(folders) if (path := Path(place, name)).is_symlink()]
    return sorted(found)
