# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import csv
import io
from collections.abc import Callable, Iterable
from pathlib import Path

from mmfer.utils.atomic_file import atomic_write

#: The parts that a split file may name.
PARTS = ('train', 'val', 'test')

_HEADER = ['name', 'split']


def read_split_file(path: str | Path, key: Callable[[str], str]) -> dict[str, str]:
    """Read which part each picture belongs to.

    One line a picture, ``name,split``, with ``split`` one of ``train``, ``val`` and ``test``. A
    first line that says ``name,split``, empty lines and lines that begin with ``#`` are passed
    over, spaces around the fields as well.

    Args:
        path: The file.
        key: Turns a name as people write it (with or without folders and extension) into the one
            that identifies the picture; raises ValueError for a name that cannot be one.

    Returns:
        Key -> part, in the order of the file.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: A line is not like that, or a picture is named twice; gives the line.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise FileNotFoundError(
            f"the split file '{path}' does not exist (split_file of the dataset)"
        )
    parts, lines = {}, {}
    for number, line in enumerate(path.read_text(encoding='utf-8-sig').splitlines(), start=1):
        if not line.strip() or line.startswith('#'):
            continue
        fields = [field.strip() for field in next(csv.reader([line]))]
        if fields == _HEADER and not parts:
            continue
        where = f'{path}, line {number}: {line!r}'
        if len(fields) != 2 or fields[1] not in PARTS:
            raise ValueError(f'{where} is not "name,split" with a split of {PARTS}')
        try:
            name = key(fields[0])
        except ValueError as error:
            raise ValueError(f'{where}: {error}') from error
        if name in parts:
            raise ValueError(f'{where} names the picture {name!r} of line {lines[name]} again')
        parts[name], lines[name] = fields[1], number
    if not parts:
        raise ValueError(f'{path} names no picture; expected lines such as "name,train"')
    return parts


def write_split_file(path: str | Path, parts: Iterable[tuple[str, str]], comment: str = '') -> None:
    """Write (name, part) pairs as :func:`read_split_file` reads them.

    Args:
        path: File to write; an existing one is replaced, whole.
        parts: Pairs such as ``('001/03', 'test')``, in the order to write.
        comment: What the file is, one or more lines for its top.
    """
    content = io.StringIO()
    for line in comment.splitlines():
        content.write(f'# {line}\n')
    writer = csv.writer(content, lineterminator='\n')
    writer.writerow(_HEADER)
    writer.writerows(parts)
    atomic_write(path, content.getvalue().encode())
