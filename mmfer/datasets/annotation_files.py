# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""What the readers of all datasets share: lines of an annotation file, and files of a folder."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from mmengine.fileio import list_from_file

from mmfer.utils.files_below import IMAGE_SUFFIXES, is_junk

_T = TypeVar('_T')
# So much of both ends of a line is shown in errors; lists of landmarks have 1,600 characters.
_SHOWN = 60


def read_lines(path: str | Path, parse: Callable[[str], _T]) -> list[_T]:
    """Parse a text file line by line; blank lines and a byte order mark are skipped.

    Args:
        path: The file, UTF-8.
        parse: What a line means; raises ValueError for a line that is wrong.

    Returns:
        What ``parse`` returned for each line.

    Raises:
        ValueError: A line is wrong; gives file, number, line and reason.
    """
    parsed = []
    for number, line in enumerate(list_from_file(path, encoding='utf-8-sig'), start=1):
        if line.strip():
            try:
                parsed.append(parse(line))
            except ValueError as error:
                raise ValueError(f'{path}, line {number}: {_shorten(line)!r}: {error}') from error
    return parsed


def _shorten(line: str) -> str:
    return line if len(line) <= 2 * _SHOWN else f'{line[:_SHOWN]} … {line[-_SHOWN:]}'


def class_name(number: str, names: Mapping[int, str]) -> str:
    """Name of the class whose number an annotation file has.

    Args:
        number: As in the file; spaces around it are ignored.
        names: The classes of the dataset by their numbers.

    Raises:
        ValueError: It is the number of no class.
    """
    if not number.strip().isdecimal() or int(number) not in names:
        raise ValueError(f'label {number!r}; known are {dict(names)}')
    return names[int(number)]


def list_files(folder: Path, suffixes: Sequence[str] = IMAGE_SUFFIXES) -> list[Path]:
    """Files of one kind in a folder, by default images, sorted by name.

    Other files and junk (:func:`is_junk`) are skipped.
    """
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in suffixes and not is_junk(path.name)
    )
