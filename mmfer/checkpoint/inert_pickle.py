# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Read a pickle without importing or calling anything that it names.

A pickle is a program: it can name any function and have it called. Here every name is replaced by a
class of its own that does nothing but record how it was used. The result is a tree of plain values
and records. A table then decides how the records are restored
(:mod:`mmfer.checkpoint.restored_values`). None of this depends on torch, whose own restricted
unpickler (``weights_only=True``) could be tricked into running code before torch 2.6
(CVE-2025-32434) and 2.10 (CVE-2026-24747).
"""

import pickle
from collections.abc import Callable
from typing import Any, BinaryIO

#: Old and new names of modules.
_FORMER = {'__builtin__': 'builtins', 'numpy._core': 'numpy.core'}


class Inert:
    """Placeholder for a class or function that a pickle names, and for the object it returns.

    Attributes:
        name: The full name, such as ``'collections.OrderedDict'``.
        args: The arguments of the recorded call.
        state: The recorded argument of ``__setstate__``; None if there is none.
        items: The recorded keys and values of the object.
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


# The Python version: for a large memo index in the file, the C version allocates gigabytes.
class _Unpickler(pickle._Unpickler):
    def __init__(self, file: BinaryIO, persistent_load: Callable[[Any], Any] | None):
        super().__init__(file, encoding='latin1')  # for Python 2 strings; every byte is valid
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
        raise pickle.UnpicklingError(f'it uses the extension code {code}')

    def persistent_load(self, pid: Any) -> Any:
        if self._persistent_load is None:
            raise pickle.UnpicklingError('it refers to an object outside of the pickle')
        return self._persistent_load(pid)


def read_pickle(
    file: BinaryIO, persistent_load: Callable[[Any], Any] | None = None
) -> tuple[Any, set[str]]:
    """Read one pickle from the current position of ``file``, and stop after it.

    Args:
        file (BinaryIO): Open for reading.
        persistent_load (Callable[[Any], Any], optional): Receives the persistent ID of an object
            outside of the pickle, and returns the object. Defaults to None: such an ID is an error.

    Returns:
        The tree: plain values, :class:`Inert` objects and their classes, and the return values of
        ``persistent_load``, in containers; and the set of all names.

    Raises:
        Exception: Any type, if the bytes are not a pickle.
    """
    unpickler = _Unpickler(file, persistent_load)
    return unpickler.load(), set(unpickler.named)
