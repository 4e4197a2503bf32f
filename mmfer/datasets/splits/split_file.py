# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import csv
from collections.abc import Callable, Iterable
from pathlib import Path

from mmfer.utils.atomic_file import atomic_write_csv
from mmfer.utils.csv_text import plain_cell

from ..annotation_files import read_lines

#: Allowed splits in a split file.
PARTS = ('train', 'val', 'test')

_HEADER = ['name', 'split']


def read_split_file(path: str | Path, key: Callable[[str], str]) -> dict[str, str]:
    """Read the split of each image from a file.

    One line per image, ``name,split``, with ``split`` one of ``train``, ``val`` and ``test``. A
    first line ``name,split``, empty lines, lines that start with ``#`` and spaces around the fields
    are ignored.

    Args:
        path (str | Path): The file.
        key (Callable[[str], str]): Converts a name in the file (with or without folders and
            extension) to the key of the image; raises ValueError if the name is invalid.

    Returns:
        Key -> split, in the order of the file.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: A line is malformed, or an image is named twice. The message has the line.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise FileNotFoundError(
            f"the split file '{path}' does not exist (split_file of the dataset)"
        )
    parts = {}

    def add(line: str) -> None:
        fields = [field.strip() for field in next(csv.reader([line]))]
        if line.startswith('#') or (fields == _HEADER and not parts):
            return
        if len(fields) != 2 or fields[1] not in PARTS:
            raise ValueError(f'not "name,split" with a split of {PARTS}')
        name = key(plain_cell(fields[0]))
        if name in parts:
            raise ValueError(f'names the image {name!r} again')
        parts[name] = fields[1]

    read_lines(path, add)
    if not parts:
        raise ValueError(f'{path} names no image; expected lines such as "name,train"')
    return parts


def write_split_file(path: str | Path, parts: Iterable[tuple[str, str]], comment: str = '') -> None:
    """Write (name, split) pairs in the format of :func:`read_split_file`.

    Args:
        path (str | Path): File to write; an existing file is replaced as a whole.
        parts (Iterable[tuple[str, str]]): Pairs such as ``('001/03', 'test')``, in the order to
            write.
        comment (str): Comment for the top of the file, one or more lines. Defaults to none.
    """
    atomic_write_csv(path, [_HEADER, *parts], comment)
