# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Shared parts of the dataset readers: lines of an annotation file, and files of a folder."""

import logging
from collections.abc import Callable, Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from mmengine.logging import print_log

from mmfer.utils.files_below import IMAGE, IMAGE_SUFFIXES, is_junk, media_kind, warn_skipped
from mmfer.utils.text_file import read_text

_T = TypeVar('_T')
# Characters of both ends of a line that errors show; landmark lists have 1,600 characters.
_SHOWN = 60


class Statements:
    """Entries of a list about images or faces; contradicting entries are an error.

    Attributes:
        repeats (int): Number of entries that repeat an earlier one.
    """

    def __init__(self):
        self.repeats = 0
        self._labels: dict[Hashable, tuple[str, Any]] = {}

    def add(self, item: Hashable, label: Any, place: str) -> None:
        """Add an entry.

        Args:
            item (Hashable): Identifier of the image or face.
            label (Any): The label, comparable.
            place (str): Location of the entry, such as ``'line 7'``.

        Raises:
            ValueError: An earlier entry has another label.
        """
        first, before = self._labels.setdefault(item, (place, label))
        if before != label:
            raise ValueError(
                f'contradicts {first} about the same image: {before!r} there, {label!r} here. '
                'Remove the wrong one'
            )
        self.repeats += first != place

    def log_repeats(self, path: str | Path) -> None:
        """Warn about repeated entries. They are kept, because official lists are used unchanged."""
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
        parse (Callable[[str], _T]): Parses a line; raises ValueError if it is malformed.
        statement (Callable[[_T], tuple[Hashable, Any]], optional): Returns identifier and label of
            a parsed line, for :class:`Statements`. Not called if ``parse`` returned None. Defaults
            to None, no check for contradictions.

    Returns:
        The result of ``parse`` for each line.

    Raises:
        ValueError: A line is malformed or contradicts another one. The message has file, line
            number, line and reason.
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
    """Return the class name for a number in an annotation file.

    Args:
        number (str): Text in the file; surrounding spaces are ignored.
        names (Mapping[int, str]): The classes of the dataset by their numbers.

    Raises:
        ValueError: There is no class with this number.
    """
    if not number.strip().isdecimal() or int(number) not in names:
        raise ValueError(f'label {number!r}; known are {dict(names)}')
    return names[int(number)]


def list_files(folder: Path, suffixes: Sequence[str] | None = None) -> list[Path]:
    """List the files of one kind in a folder, sorted by name.

    Junk (:func:`is_junk`) is skipped silently; the log names other files that are skipped.

    Args:
        folder (Path): The folder; subfolders are not searched.
        suffixes (Sequence[str], optional): Suffixes of the files. Defaults to None, images with any
            suffix or none.
    """
    found, skipped = [], []
    for path in folder.iterdir():
        if is_junk(path.name):
            continue
        wanted = path.suffix.lower() in (suffixes or IMAGE_SUFFIXES)  # no need to open it
        if wanted or (not suffixes and media_kind(path) == IMAGE):
            found.append(path)
        elif path.is_file():
            skipped.append(path)
    warn_skipped(folder, sorted(skipped), suffixes or [IMAGE])
    return sorted(found)
