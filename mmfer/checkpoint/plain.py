# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Convert the content of a training checkpoint to plain data, and back.

Plain data is data that ``torch.load(file, weights_only=True)`` reads: tensors, numbers, strings,
and dicts, lists, tuples and sets of them. :func:`from_plain` is the inverse of :func:`to_plain`,
except that numpy scalars become Python scalars, paths become strings, and frozen sets become sets.
"""

from pathlib import PurePath
from typing import Any

import numpy as np
import torch
from mmengine.logging import HistoryBuffer

#: Key of a dict that represents an object of another type.
_TYPE = '__type__'


class NotPlainError(TypeError):
    """Raised for a value that has no plain form. The message names its type and its place."""


def to_plain(value: Any, where: str = '') -> Any:
    """Return the plain form of ``value`` without changing it.

    Args:
        value (Any): Tensors, numbers, strings, None, numpy arrays and scalars, paths (become
            strings), ``HistoryBuffer`` objects, and dicts, lists, tuples and sets of them.
        where (str): Dotted name of the value, for the error message. Defaults to ``''``.

    Raises:
        NotPlainError: Something inside has no plain form.
    """
    if value is None or isinstance(value, (bool, torch.Tensor, torch.dtype)):
        return value
    if isinstance(value, np.generic):
        return to_plain(value.item(), where)
    # Subclasses (enums, configuration strings) would be pickled under their own name.
    for kind in (int, float, complex, str, bytes):
        if isinstance(value, kind):
            return value if type(value) is kind else kind(value)
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, np.ndarray) and value.dtype.kind in 'biuf':
        return {_TYPE: 'ndarray', 'data': torch.from_numpy(value.copy())}
    if isinstance(value, HistoryBuffer):
        values, counts = value.data
        return {
            _TYPE: 'HistoryBuffer',
            'values': torch.from_numpy(np.array(values, dtype=np.float64)),
            'counts': torch.from_numpy(np.array(counts)),
            'max_length': int(value.max_length),
        }
    if isinstance(value, dict):
        return {
            to_plain(key, where): to_plain(item, f'{where}.{key}') for key, item in value.items()
        }
    if isinstance(value, (list, tuple)):
        items = [to_plain(item, f'{where}.{i}') for i, item in enumerate(value)]
        return tuple(items) if isinstance(value, tuple) else items
    if isinstance(value, (set, frozenset)):
        return {to_plain(item, where) for item in value}
    raise NotPlainError(
        f'{where or "the value"} is a {type(value).__module__}.{type(value).__qualname__}, which '
        'has no plain form'
    )


def from_plain(value: Any) -> Any:
    """Inverse of :func:`to_plain`: rebuild numpy arrays and ``HistoryBuffer`` objects."""
    if isinstance(value, dict):
        kind = value.get(_TYPE)
        if kind == 'ndarray':
            return value['data'].cpu().numpy()
        if kind == 'HistoryBuffer':
            return HistoryBuffer(
                value['values'].cpu().numpy(), value['counts'].cpu().numpy(), value['max_length']
            )
        return {key: from_plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(from_plain(item) for item in value)
    return value
