# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Check that the value of an override has a type that its place in the config accepts."""

import inspect
import os
import types
import typing
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

#: Kinds of values, as messages describe them, and how to write them.
_KINDS = {
    'section': 'a section: set its entries one by one, as PATH.NAME=VALUE',
    'list': 'a list: write PATH=[A,B], or set an entry by its index, as PATH.0=A',
    'text': 'a text',
    'number': 'a number',
    'flag': 'True or False',
    'none': 'None',
}


class UnknownOptionError(KeyError):
    """Raised for an override of an unknown or unused setting, or with a value of a wrong type."""

    def __str__(self) -> str:  # KeyError would show the repr, with its line breaks escaped
        return self.args[0]


def fitting_value(
    path: str,
    value: Any,
    current: Any,
    parameters: Sequence[inspect.Parameter] = (),
    in_list: bool = False,
) -> Any:
    """Return the value, or raise if its kind is not allowed instead of the current value.

    Kinds are section, list, text, number, True or False, and None. Another kind than the current
    one is allowed if the annotation or the default of the argument has it. Without an annotation, a
    number may become a list of numbers and vice versa, and anything outside a list may become None.

    Args:
        path (str): Path of the override, for the error message.
        value (Any): The value from the command line.
        current (Any): The value in the config; None if there is none.
        parameters (Sequence[inspect.Parameter]): The parameters of the components that may receive
            the value. Defaults to none.
        in_list (bool): Whether the value is an entry of a list. Defaults to False.

    Returns:
        The value. A number becomes text if only text is allowed.

    Raises:
        UnknownOptionError: The kind is not allowed. The message has the current value and how to
            write a new one.
    """
    new, old = _kind(value), _kind(current)
    annotated = [_kinds_of(parameter.annotation) for parameter in parameters]
    known = set().union(*annotated) if all(annotated) else set()
    defaults = {_kind(p.default) for p in parameters if p.default is not p.empty}
    if new == 'number' and 'text' in known and 'number' not in known:
        return str(value)
    if new == old:
        fits = old != 'list' or _same_entries(current, value)
    elif new == 'none':
        fits = not in_list and (not known or 'none' in known)
    elif old == 'none':
        fits = not known or new in known
    else:
        fits = new in known or (
            (not known and {old, new} == {'number', 'list'})
            or (old, new) == ('flag', 'number')
            and value in (0, 1)
        )
    if fits or new in defaults:
        return value
    raise _refuse(path, value, current, known | {old})


def _same_entries(current: Sequence, new: Sequence) -> bool:
    """Check that a list of sections stays one, and that a list of numbers gets no text."""
    kinds = {_kind(entry) for entry in current}
    others = {_kind(entry) for entry in new}
    return not ('section' in kinds and others - {'section'}) and not (
        kinds == {'number'} and 'text' in others
    )


def _kind(value: Any) -> str:
    for kind, classes in (
        ('none', type(None)),
        ('flag', bool),
        ('number', (int, float)),
        ('text', str),
        ('section', Mapping),
        ('list', (list, tuple)),
    ):
        if isinstance(value, classes):
            return kind
    return type(value).__name__


def _kinds_of(annotation: Any) -> set[str]:
    """Return the kinds that an annotation allows; empty if unknown."""
    origin = typing.get_origin(annotation)
    if origin in (typing.Union, types.UnionType):
        parts = [_kinds_of(part) for part in typing.get_args(annotation)]
        return set().union(*parts) if all(parts) else set()
    if origin is typing.Literal:
        return {_kind(value) for value in typing.get_args(annotation)}
    kind = origin or annotation
    if kind is None:
        kind = type(None)
    if not inspect.isclass(kind) or kind in (inspect.Parameter.empty, object):
        return set()
    for name, classes in (
        ('none', type(None)),
        ('flag', bool),
        ('number', (int, float)),
        ('text', (str, os.PathLike)),
        ('section', Mapping),
        ('list', (Sequence, set)),
    ):
        if issubclass(kind, classes):
            return {name}
    return {'list'} if kind in (Iterable, Collection) else {kind.__name__}


def _refuse(path: str, value: Any, current: Any, kinds: Collection[str]) -> UnknownOptionError:
    allowed = [_KINDS[kind].replace('PATH', path) for kind in _KINDS if kind in kinds]
    entries = [_kind(entry) for entry in current] if _kind(current) == 'list' else []
    if 'section' in entries:
        allowed = [f'a list of sections: set their entries, as {path}.0.NAME=VALUE, or {path}=[]']
    if path.rpartition('.')[2].isdecimal() and value is None:
        allowed = ['an entry of a list, which only a config file that inherits can remove']
    now = ', '.join(map(str, current)) if _kind(current) == 'section' else repr(current)
    now = '' if current is None else f' (now {now if len(now) < 100 else now[:100] + " …"})'
    return UnknownOptionError(
        f'--cfg-options {path}={value}: `{path}` is {", or ".join(allowed)}{now}'
    )
