# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import csv
from collections.abc import Callable, Iterable
from pathlib import Path

from mmfer.utils.atomic_file import atomic_write_csv
from mmfer.utils.csv_text import plain_cell

from ..annotation_files import read_lines

#: The parts that a split file may name.
PARTS = ('train', 'val', 'test')

_HEADER = ['name', 'split']


def read_split_file(path: str | Path, key: Callable[[str], str]) -> dict[str, str]:
    """Read which part each image belongs to.

    One line per image, ``name,split``, with ``split`` one of ``train``, ``val`` and ``test``. A
    first line that says ``name,split``, empty lines, lines that begin with ``#`` and spaces around
    the fields are ignored.

    Args:
        path (str | Path): The file.
        key (Callable[[str], str]): Turns a name as people write it (with or without folders and
            extension) into the one that identifies the image; raises ValueError for a name that
            cannot be one.

    Returns:
        Key -> part, in the order of the file.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: A line is not like that, or an image is named twice; gives the line.
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
    """Write (name, part) pairs as :func:`read_split_file` reads them.

    Args:
        path (str | Path): File to write; an existing one is replaced as a whole.
        parts (Iterable[tuple[str, str]]): Pairs such as ``('001/03', 'test')``, in the order to
            write.
        comment (str): What the file is, one or more lines for its top.
    """
    atomic_write_csv(path, [_HEADER, *parts], comment)
