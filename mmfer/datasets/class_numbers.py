# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Check the ``classes`` argument of datasets and number the classes."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from mmfer.categories import EXPRESSION_SYNONYMS, EXPRESSIONS_8
from mmfer.utils.short_list import short_list
from mmfer.utils.text_file import read_text


def read_class_names(classes: str | Sequence[str] | None) -> tuple[str, ...] | None:
    """Return class names as given, or read them from a text file with one name per line.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: There are no names.
    """
    if classes is None:
        return None
    if not len(classes):
        raise ValueError('classes is empty; omit it to read all classes of the dataset')
    if not isinstance(classes, str):
        return classes
    path = Path(os.path.expanduser(classes))
    if not path.is_file():
        raise FileNotFoundError(
            f'classes={classes!r} must be a file with one class per line, and it does not exist. '
            f'To name classes directly, give a list: classes=[{classes!r}]'
        )
    names = tuple(line.strip() for line in read_text(path).split('\n') if line.strip())
    if not names:
        raise ValueError(f'classes={classes!r} is a file without names')
    return names


def class_key(name: str) -> str:
    """Return a key that is equal for all names of one class.

    Case is ignored, and an expression may have any of its names in
    :data:`~mmfer.categories.EXPRESSION_SYNONYMS`.
    """
    folded = str(name).casefold()
    return EXPRESSION_SYNONYMS.get(folded, folded).casefold()


def class_numbers(owner: str, classes: Iterable[str], known: Iterable[str]) -> dict[str, int]:
    """Return the number of each class of a dataset.

    Args:
        owner (str): Name of the dataset, for error messages.
        classes (Iterable[str]): The classes in the order in which they are numbered.
        known (Iterable[str]): Allowed class names. If it has one of
            :data:`~mmfer.categories.EXPRESSIONS_8`, all of them are allowed, so that a dataset
            without Contempt can be numbered like one with it.

    Raises:
        ValueError: A class is unknown or appears twice.
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
