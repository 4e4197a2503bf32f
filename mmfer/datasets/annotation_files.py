# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""What the readers of all datasets share: lines of an annotation file, and files of a folder."""

import logging
from collections.abc import Callable, Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from mmengine.logging import print_log

from mmfer.utils.files_below import IMAGE, IMAGE_SUFFIXES, is_junk, media_kind, warn_left_out
from mmfer.utils.text_file import read_text

_T = TypeVar('_T')
# So much of both ends of a line is shown in errors; lists of landmarks have 1,600 characters.
_SHOWN = 60


class Statements:
    """What a list says of each image or face: of one, it may not say two things.

    Attributes:
        repeats: How many entries say what another one has said already.
    """

    def __init__(self):
        self.repeats = 0
        self._said: dict[Hashable, tuple[str, Any]] = {}

    def add(self, about: Hashable, says: Any, place: str) -> None:
        """Note an entry.

        Args:
            about (Hashable): What identifies the image or face.
            says (Any): The label, comparable.
            place (str): Where this is written, such as ``'line 7'``.

        Raises:
            ValueError: Another place says something else.
        """
        first, before = self._said.setdefault(about, (place, says))
        if before != says:
            raise ValueError(
                f'contradicts {first} about the same image: {before!r} there, {says!r} here. '
                'Remove the wrong one'
            )
        self.repeats += first != place

    def log_repeats(self, path: str | Path) -> None:
        """Warn of repetitions, which stay: the lists of protocols are taken as they are."""
        if self.repeats:
            print_log(
                f'{path}: {self.repeats} entries repeat others; these images count more than once',
                'current',
                logging.WARNING,
            )


def read_lines(
    path: str | Path,
    parse: Callable[[str], _T],
    statement: Callable[[_T], tuple[Hashable, Any]] | None = None,
) -> list[_T]:
    """Parse a text file (:func:`.read_text`) line by line; blank lines are skipped.

    Args:
        path (str | Path): The file.
        parse (Callable[[str], _T]): What a line means; raises ValueError for a line that is wrong.
        statement (Callable[[_T], tuple[Hashable, Any]], optional): What a parsed line is about, and
            what it says of that, for :class:`Statements`; not asked where ``parse`` returned None.
            Defaults to lines have nothing to do with each other.

    Returns:
        What ``parse`` returned for each line.

    Raises:
        ValueError: A line is wrong, or contradicts another one; gives file, number, line and
            reason.
    """
    parsed, statements = [], Statements()
    for number, line in enumerate(read_text(path).split('\n'), start=1):
        if not line.strip():
            continue
        try:
            value = parse(line)
            if statement and value is not None:
                statements.add(*statement(value), f'line {number}')
        except ValueError as error:
            raise ValueError(f'{path}, line {number}: {_shorten(line)!r}: {error}') from error
        parsed.append(value)
    statements.log_repeats(path)
    return parsed


def _shorten(line: str) -> str:
    return line if len(line) <= 2 * _SHOWN else f'{line[:_SHOWN]} … {line[-_SHOWN:]}'


def class_name(number: str, names: Mapping[int, str]) -> str:
    """Name of the class whose number an annotation file has.

    Args:
        number (str): As in the file; spaces around it are ignored.
        names (Mapping[int, str]): The classes of the dataset by their numbers.

    Raises:
        ValueError: It is the number of no class.
    """
    if not number.strip().isdecimal() or int(number) not in names:
        raise ValueError(f'label {number!r}; known are {dict(names)}')
    return names[int(number)]


def list_files(folder: Path, suffixes: Sequence[str] | None = None) -> list[Path]:
    """Files of one kind in a folder, sorted by name.

    Junk (:func:`is_junk`) is skipped, and the log names other files that are left out.

    Args:
        folder (Path): Not searched below.
        suffixes (Sequence[str], optional): What such files are called. Defaults to images, whatever
            they are called.
    """
    found, left_out = [], []
    for path in folder.iterdir():
        if is_junk(path.name):
            continue
        wanted = path.suffix.lower() in (suffixes or IMAGE_SUFFIXES)  # need not be opened
        if wanted or (not suffixes and media_kind(path) == IMAGE):
            found.append(path)
        elif path.is_file():
            left_out.append(path)
    warn_left_out(folder, sorted(left_out), suffixes or [IMAGE])
    return sorted(found)
