# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Read a pickle without importing or calling anything that it names.

A pickle is a program: it may name any function and have it called. Here every name is answered with
a class of its own that records what was to be done with it and does nothing, so what comes out is a
tree of plain values and records. What becomes of the records is decided afterwards, from a table
(:mod:`mmfer.checkpoint.restored_values`). Nothing of this depends on torch, whose own restricted
unpickler (``weights_only=True``) could be made to run code before torch 2.6 (CVE-2025-32434) and
2.10 (CVE-2026-24747).
"""

import pickle
from collections.abc import Callable
from typing import Any, BinaryIO

#: Modules by the name that they had before.
_FORMER = {'__builtin__': 'builtins', 'numpy._core': 'numpy.core'}


class Inert:
    """What stands in for a class or function that a pickle names, and for what it makes.

    Attributes:
        name: What was named, such as ``'collections.OrderedDict'``.
        args: What it was to be called with.
        state: What its object was to be filled with; None if nothing.
        items: Keys and values that were to be put into it.
    """

    __slots__ = ('args', 'items', 'state')
    name = ''

    def __new__(cls, *args):
        self = super().__new__(cls)
        self.args, self.state, self.items = args, None, []
        return self

    def __call__(self, *args):
        return type(self)(self, *args)

    def __setstate__(self, state):
        self.state = state

    def __setitem__(self, key, value):
        self.items.append((key, value))

    def append(self, value):
        self.items.append((len(self.items), value))

    def __repr__(self):
        return f'<{self.name}, not loaded>'


# In Python: the one in C takes a table of gigabytes from any file that names a place that high.
class _Unpickler(pickle._Unpickler):
    def __init__(self, file: BinaryIO, persistent_load: Callable[[Any], Any] | None):
        super().__init__(file, encoding='latin1')  # of strings of Python 2; no byte is an error
        self.named: dict[str, type[Inert]] = {}
        self._persistent_load = persistent_load

    def find_class(self, module: str, name: str) -> type[Inert]:
        for theirs, ours in _FORMER.items():
            if f'{module}.'.startswith(f'{theirs}.'):
                module = ours + module[len(theirs) :]
        name = f'{module}.{name}'
        if name not in self.named:
            self.named[name] = type('Inert', (Inert,), {'__slots__': (), 'name': name})
        return self.named[name]

    def get_extension(self, code: int) -> None:
        raise pickle.UnpicklingError(f'it names something by a number, {code}')

    def persistent_load(self, pid: Any) -> Any:
        if self._persistent_load is None:
            raise pickle.UnpicklingError('it asks for something outside of itself')
        return self._persistent_load(pid)


def read_pickle(
    file: BinaryIO, persistent_load: Callable[[Any], Any] | None = None
) -> tuple[Any, set[str]]:
    """Read the pickle that begins where ``file`` stands, and stop behind it.

    Args:
        file (BinaryIO): Open for reading.
        persistent_load (Callable[[Any], Any], optional): Takes what the pickle says of a thing that
            lies outside of it, and returns what to put there. Default: there is no such thing.

    Returns:
        Plain values, :class:`Inert` objects and their classes, and what ``persistent_load``
        returned, in containers; and all names.

    Raises:
        Exception: Any, for bytes that are no pickle.
    """
    unpickler = _Unpickler(file, persistent_load)
    return unpickler.load(), set(unpickler.named)
