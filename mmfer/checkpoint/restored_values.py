# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Restore tensors, numpy arrays and plain values from the records of a pickle.

The few names that a checkpoint needs are in the tables below. Only code in this file creates
objects for them, whatever the checkpoint says.
"""

import math
import re
from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from mmengine.logging import HistoryBuffer
from torch import Tensor, nn

from .inert_pickle import Inert

#: Packages whose objects occur in training checkpoints (configs, dataset notes, the methods of
#: ``HistoryBuffer``). They stay records; nothing in them is imported or called.
_INERT_PACKAGES = ('mmengine.', 'mmcv.', 'mmcls.', 'mmpretrain.', 'mmfer.', 'addict.')
_INERT_NAMES = (
    *('builtins.getattr', 'builtins.slice', 'pathlib.PosixPath', 'pathlib.WindowsPath'),
    # Command lines, stored with the weights of DeiT, MAE, DINO, timm and models based on them.
    'argparse.Namespace',
)
#: Allowed inside a HistoryBuffer only; anywhere else they are an attempt to call something.
FUNCTIONS = {'builtins.getattr', 'builtins.slice'}

STORAGES = dict(
    BFloat16Storage=torch.bfloat16,
    BoolStorage=torch.bool,
    ByteStorage=torch.uint8,
    CharStorage=torch.int8,
    ComplexDoubleStorage=torch.complex128,
    ComplexFloatStorage=torch.complex64,
    DoubleStorage=torch.float64,
    FloatStorage=torch.float32,
    HalfStorage=torch.float16,
    IntStorage=torch.int32,
    LongStorage=torch.int64,
    ShortStorage=torch.int16,
    UntypedStorage=torch.uint8,
)
_DTYPES = {str(value): value for value in vars(torch).values() if isinstance(value, torch.dtype)}
#: Tensors that cannot be loaded as weights.
OTHER_TENSORS = {
    'torch._utils._rebuild_meta_tensor_no_storage': 'a tensor without numbers (of device "meta")',
    'torch._utils._rebuild_qtensor': 'a quantized tensor',
    'torch._utils._rebuild_sparse_tensor': 'a sparse tensor',
    'torch._utils._rebuild_nested_tensor': 'a nested tensor',
    'torch._utils._rebuild_wrapper_subclass': 'a tensor of a class of its own',
}
_ARRAY_KINDS = re.compile(r'[?biufcSU]\d*')
#: A tensor that repeats its numbers (stride 0) may have this many elements.
_REPEATED = 2**20


class Storage(NamedTuple):
    """The numbers of a tensor, stored outside of the pickle."""

    dtype: torch.dtype
    key: str
    length: int

    @property
    def size(self) -> int:
        return self.length * self.dtype.itemsize


def _tensor(
    stored: tuple[Storage, Tensor],
    offset: int,
    size: tuple[int, ...],
    stride: tuple[int, ...],
    requires_grad: bool = False,
    hooks: Any = None,
    dtype: torch.dtype | None = None,
    *_,
) -> Tensor:
    storage, values = stored
    dtype = dtype if isinstance(dtype, torch.dtype) else storage.dtype
    if any(type(number) is not int or number < 0 for number in (offset, *size, *stride)):
        raise ValueError(f'a tensor has size {size}, stride {stride} and offset {offset}')
    count, here = math.prod(size), storage.size // dtype.itemsize
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    if count and last >= here or count > max(here, _REPEATED):
        raise ValueError(f'a tensor of size {size} is larger than its {here} numbers')
    tensor = torch.empty(0, dtype=dtype, device=values.device)
    tensor.set_(values.untyped_storage(), offset, size, stride)
    return tensor.requires_grad_(bool(requires_grad))


def _parameter(data: Tensor, requires_grad: bool = True, *_) -> nn.Parameter:
    return nn.Parameter(data, bool(requires_grad))


def _dtype(code: str, *_) -> np.dtype:
    if not _ARRAY_KINDS.fullmatch(code):
        raise ValueError(f'arrays of {code} are neither numbers nor text')
    return np.dtype(code)


def _scalar(dtype: np.dtype, data: bytes = b'') -> np.generic:
    return np.frombuffer(data, dtype, 1)[0] if dtype.itemsize else dtype.type()


def _array_of(data: bytes, dtype: np.dtype, shape: tuple, order: str) -> np.ndarray:
    values = np.frombuffer(data, dtype).reshape(shape, order=order)
    return values.astype(dtype.newbyteorder('='))  # a copy


def _array(_: None, version: int, shape: tuple, dtype: np.dtype, columns: bool, data: bytes):
    return _array_of(data, dtype, shape, 'F' if columns else 'C')


def _are_versions(metadata: Any) -> bool:
    """Check for the version metadata of a state dict, which modules read when they load it."""
    return isinstance(metadata, dict) and all(
        isinstance(module, dict) and isinstance(module.get('version', 1), int)
        for module in metadata.values()
    )


#: Functions that create the value for a name from its arguments.
_MAKERS = {
    '_codecs.encode': lambda text, *_: text.encode('latin1'),  # bytes
    'builtins.bytes': lambda: b'',
    'builtins.complex': complex,
    'builtins.frozenset': frozenset,
    'builtins.set': set,
    'collections.Counter': Counter,
    'collections.OrderedDict': OrderedDict,
    'numpy.core.multiarray._reconstruct': lambda *_: None,
    'numpy.core.multiarray.scalar': _scalar,
    'numpy.core.numeric._frombuffer': _array_of,
    'numpy.dtype': _dtype,
    'torch.Size': torch.Size,
    'torch._tensor._rebuild_from_type_v2': None,
    'torch._utils._rebuild_parameter': _parameter,
    'torch._utils._rebuild_parameter_with_state': _parameter,
    'torch._utils._rebuild_tensor': _tensor,
    'torch._utils._rebuild_tensor_v2': lambda *args: _tensor(*args[:5]),
    'torch._utils._rebuild_tensor_v3': _tensor,
    'torch.device': torch.device,
}
#: Functions that fill values from their state, for values that are created empty.
_FILLERS = {
    'numpy.core.multiarray._reconstruct': _array,
    'numpy.dtype': lambda dtype, version, order, *_: dtype.newbyteorder(order),
}
#: Classes that occur as arguments.
_CLASSES = ('numpy.ndarray', 'torch.Tensor', 'torch._tensor.Tensor', 'torch.nn.parameter.Parameter')


def unknown_names(names: set[str]) -> set[str]:
    """Return the names that no checkpoint needs."""
    known = {*_MAKERS, *_CLASSES, *_DTYPES, *_INERT_NAMES}
    storages = re.compile(rf'torch\.(cuda\.|storage\.)?({"|".join(STORAGES)})')
    return {
        name
        for name in names - known
        if not name.startswith(_INERT_PACKAGES) and not storages.fullmatch(name)
    }


class Restorer:
    """Restores values from a tree of records. Shared records become shared values.

    Args:
        numbers (Callable[[Storage], Tensor]): Returns the content of a storage, bytes ``(N,)``, on
            the CPU.
        device (str | torch.device): The device for all tensors.

    Attributes:
        left: Names of the records that were not restored.
    """

    def __init__(self, numbers: Callable[[Storage], Tensor], device: str | torch.device):
        self.numbers, self.device = numbers, device
        self.left: set[str] = set()
        self._made: dict[int, Any] = {}  # by the id of the record
        self._stored: dict[str, tuple[Storage, Tensor]] = {}

    def restore(self, value: Any) -> Any:
        """Return the value for a node of the tree.

        Raises:
            Exception: Any type, for records that cannot be restored.
        """
        if value is None or type(value) in (bool, int, float, complex, str, bytes):
            return value
        if id(value) not in self._made:
            self._made[id(value)] = self._make(value)
        return self._made[id(value)]

    def _make(self, value: Any) -> Any:
        kind = type(value)
        if kind in (dict, list):  # may contain themselves
            made = self._made[id(value)] = kind()
            if kind is list:
                made.extend(map(self.restore, value))
            else:
                made.update((self.restore(k), self.restore(v)) for k, v in value.items())
            return made
        if kind in (tuple, set, frozenset):
            return kind(map(self.restore, value))
        if kind is bytearray:
            return bytes(value)
        if kind is Storage:
            known, values = self._stored.get(value.key, (value, None))
            if values is None:
                values = self.numbers(value).to(self.device)
                self._stored[value.key] = value, values
            if known != value:
                raise ValueError(f'the numbers of {value.key} have two types')
            return value, values
        if kind is type and issubclass(value, Inert):
            return self._named(value)
        if isinstance(value, Inert):
            return self._called(value)
        raise ValueError(f'a {kind.__name__} is not allowed in a checkpoint')

    def _named(self, cls: type[Inert]) -> Any:
        if cls.name in _DTYPES:
            return _DTYPES[cls.name]
        if cls.name in _MAKERS or cls.name in _CLASSES:
            return cls
        self.left.add(cls.name)
        return cls()

    def _called(self, record: Inert) -> Any:
        name = record.name
        if name == 'torch._tensor._rebuild_from_type_v2':  # a tensor with attributes
            maker, _, args, _ = record.args
            return self._called(maker(*args))
        if name == 'mmengine.logging.history_buffer.HistoryBuffer' and type(record.state) is dict:
            # Only these fields: the other ones are functions.
            fields = ('_log_history', '_count_history', 'max_length')
            values, counts, length = map(self.restore, map(record.state.get, fields))
            values = np.asarray(values, dtype=np.float64)
            return HistoryBuffer(values, np.asarray(counts), int(length or 1_000_000))
        if name in _MAKERS:
            made = _MAKERS[name](*map(self.restore, record.args))
            if isinstance(made, OrderedDict | Counter):
                made.update((self.restore(k), self.restore(v)) for k, v in record.items)
                metadata = self.restore((record.state or {}).get('_metadata'))
                if _are_versions(metadata):
                    made._metadata = metadata
            elif record.state is not None:
                made = _FILLERS[name](made, *self.restore(record.state))
            return made
        self.left.add(name)
        return record
