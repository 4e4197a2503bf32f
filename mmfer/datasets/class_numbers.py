# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""What ``classes`` of a dataset may be, and which number it gives to each class."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from mmfer.categories import EXPRESSION_SYNONYMS, EXPRESSIONS_8
from mmfer.utils.short_list import short_list
from mmfer.utils.text_file import read_text


def read_class_names(classes: str | Sequence[str] | None) -> tuple[str, ...] | None:
    """Names of classes as given, or from a text file with one a line.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: There is no name.
    """
    if classes is not None and not len(classes):
        raise ValueError('classes is empty; without it a dataset has all of its classes')
    if not isinstance(classes, str):
        return classes
    path = Path(os.path.expanduser(classes))
    if not path.is_file():
        raise FileNotFoundError(
            f'classes={classes!r} is the name of a file, with a class a line, and there is none. '
            f'Classes themselves are given as a list: classes=[{classes!r}]'
        )
    return tuple(line.strip() for line in read_text(path).split('\n') if line.strip())


def class_key(name: str) -> str:
    """The same for names of one class: upper and lower case do not count, nor which of the names in
    :data:`~mmfer.categories.EXPRESSION_SYNONYMS` an expression has.
    """
    folded = str(name).casefold()
    return EXPRESSION_SYNONYMS.get(folded, folded).casefold()


def class_numbers(owner: str, classes: Iterable[str], known: Iterable[str]) -> dict[str, int]:
    """The number of each class that a dataset is to have.

    Args:
        owner (str): The dataset in whose name errors are raised.
        classes (Iterable[str]): The classes in the order in which they are numbered.
        known (Iterable[str]): What they may be. Where there are expressions, all of
            :data:`~mmfer.categories.EXPRESSIONS_8` are, so that a set without Contempt can be
            numbered like one with it.

    Raises:
        ValueError: A class is not known, or comes twice.
    """
    known = dict.fromkeys(known)
    if known.keys() & set(EXPRESSIONS_8):
        known.update(dict.fromkeys(EXPRESSIONS_8))
    classes = tuple(classes)
    unknown = [name for name in classes if name not in known]
    if unknown:
        raise ValueError(
            f'{owner}: classes name {short_list(unknown)}; known are {short_list(known, most=20)}'
        )
    numbers = {name: number for number, name in enumerate(classes)}
    if len(numbers) < len(classes):
        twice = next(name for name in classes if classes.count(name) > 1)
        raise ValueError(f'{owner}: classes name {twice!r} more than once')
    return numbers
