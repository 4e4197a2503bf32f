# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Read what ``torch.save`` wrote, in both of its formats: pickled trees beside raw numbers.

The pickle is read as records (:mod:`mmfer.checkpoint.inert_pickle`); the few names that stand in
the tables below are then turned into tensors, arrays and plain values. Objects of OpenMMLab's
packages stay records, and any other name refuses the file.
"""

import io
import logging
import math
import re
import sys
import zipfile
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable
from pathlib import PurePosixPath
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import torch
from mmengine.logging import HistoryBuffer, print_log
from torch import Tensor, nn

from . import CheckpointError, UnsafeCheckpointError, damage_explained
from .inert_pickle import Inert, read_pickle

_ZIP = b'PK\x03\x04'
#: Files of torch < 1.6 begin with the pickle of this number.
_OLD = 0x1950A86A20F9469CFC6C

#: Packages whose objects ride along in training checkpoints (configs, dataset notes, the methods
#: of histories). They stay records; nothing of them is imported or called.
_INERT_PACKAGES = ('mmengine.', 'mmcv.', 'mmcls.', 'mmpretrain.', 'mmfer.', 'addict.')
_INERT_NAMES = ('builtins.getattr', 'builtins.slice', 'pathlib.PosixPath', 'pathlib.WindowsPath')

_STORAGES = dict(
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
#: Tensors without numbers of their own, and whose numbers are not those of a weight.
_OTHER_TENSORS = {
    'torch._utils._rebuild_meta_tensor_no_storage': 'a tensor without numbers (of device "meta")',
    'torch._utils._rebuild_qtensor': 'a quantized tensor',
    'torch._utils._rebuild_sparse_tensor': 'a sparse tensor',
    'torch._utils._rebuild_nested_tensor': 'a nested tensor',
    'torch._utils._rebuild_wrapper_subclass': 'a tensor of a class of its own',
}
_ARRAY_KINDS = re.compile(r'[?biufcSU]\d*')
#: A tensor that repeats its numbers (stride 0) may take this much more memory than the file.
_REPEATED = 2**20

_REMEDY = (
    'Use a file that holds only tensors and plain numbers, or open this one on a machine you can '
    'afford to lose and store torch.save(checkpoint["state_dict"], ...) from there.'
)


class _Storage(NamedTuple):
    """A tensor's numbers, outside of the pickle."""

    dtype: torch.dtype
    key: str
    length: int

    @property
    def size(self) -> int:
        return self.length * self.dtype.itemsize


def read_torch_file(path: str, device: str | torch.device = 'cpu') -> Any:
    """Read a file of ``torch.save``; nothing that it names is imported or called.

    Tensors that shared memory share it again. All numbers are checked against the sums that the zip
    format holds of them; the format of torch < 1.6 has none, which is logged.

    Args:
        path: The file.
        device: Where all tensors go. Default ``'cpu'``.

    Returns:
        What was saved: tensors, parameters, numpy arrays and scalars, plain values, and
        ``HistoryBuffer`` objects, in dicts, lists, tuples and sets. Other objects of OpenMMLab's
        packages are :class:`Inert`.

    Raises:
        OSError: It cannot be opened.
        CheckpointError: It is truncated, damaged, of another kind, or holds tensors that are no
            weights (quantized, sparse, meta).
        UnsafeCheckpointError: It names something else.
    """
    with open(path, 'rb') as file, damage_explained(path):
        start = file.read(len(_ZIP))
        file.seek(0)
        if start == _ZIP:
            tree, numbers = _read_zip(path, file)
        elif _is_old(file):
            tree, numbers = _read_old(path, file)
        else:
            raise CheckpointError(
                f'{path} is not a checkpoint that torch.save wrote. Check that it is the file you '
                'meant (a web page saved by mistake, a Git LFS pointer and a bare pickle look so). '
                'Nothing of it was run.'
            )
        restorer = _Restorer(numbers, device)
        content = restorer.restore(tree)
    if left := restorer.left & set(_INERT_NAMES[:2]):
        # Fine inside a HistoryBuffer, which is gone by now; anywhere else somebody wants to call.
        raise _refuse_names(path, left)
    if restorer.left:
        names = sorted(restorer.left)
        print_log(f'{path}: not loaded, because they are not plain data: {names}', 'current')
    return content


# ---- the two formats ------------------------------------------------------------------------

_Numbers = Callable[[_Storage], Tensor]  # bytes, 1-D


def _read_zip(path: str, file: BinaryIO) -> tuple[Any, _Numbers]:
    archive = zipfile.ZipFile(file)
    records = {record.filename: record for record in archive.infolist()}
    (main,) = [name for name in records if PurePosixPath(name).name == 'data.pkl'] or ['']
    folder = main.rpartition('/')[0] + '/' if '/' in main else ''
    if f'{folder}constants.pkl' in records:
        raise _refuse(path, 'it is a TorchScript archive, which is a program')
    if packed := [name for name, record in records.items() if record.compress_type]:
        raise CheckpointError(
            f'{path}: {packed[0]} is compressed, which torch.save never does; unpacked it could be '
            'of any size. Save it anew with torch.save, or unpack and pack it with zip -0'
        )
    total = sum(record.file_size for record in records.values())
    if len(records) < len(archive.infolist()) or total > file.seek(0, io.SEEK_END):
        raise CheckpointError(f'{path} is damaged: it holds records twice. Download it again')
    if not main:
        raise CheckpointError(f'{path} is a zip file, but none that torch.save wrote')
    if (order := f'{folder}byteorder') in records:
        _check_byteorder(path, archive.read(order).decode())
    tree = _read_tree(path, io.BytesIO(archive.read(main)))

    def numbers(storage: _Storage) -> Tensor:
        name = f'{folder}data/{storage.key}'
        if records[name].file_size != storage.size:
            raise ValueError(f'{name} has {records[name].file_size} bytes, not {storage.size}')
        values = torch.empty(storage.size, dtype=torch.uint8)
        with archive.open(name) as record:  # checks the sum when it comes to the end
            record.readinto(memoryview(values.numpy()))
        return values

    return tree, numbers


def _is_old(file: BinaryIO) -> bool:
    try:
        return read_pickle(file)[0] == _OLD
    except Exception:  # no pickle at all can raise any
        return False


def _read_old(path: str, file: BinaryIO) -> tuple[Any, _Numbers]:
    read_pickle(file)  # the format's version
    machine = read_pickle(file)[0]
    _check_byteorder(path, 'little' if machine['little_endian'] else 'big')
    found: dict[str, _Storage] = {}
    tree = _read_tree(path, file, found)
    stored = {}
    for key in read_pickle(file)[0]:
        storage = found[key]
        if int.from_bytes(file.read(8), 'little') != storage.length:
            raise ValueError(f'the numbers of {key} are not {storage.length}')
        values = bytearray(file.read(storage.size))
        if len(values) < storage.size:
            raise EOFError('it ends too early')
        stored[key] = torch.frombuffer(values or bytearray(1), dtype=torch.uint8)[: storage.size]
    if file.read(1):
        raise ValueError('there is something behind its end')
    print_log(
        f'{path} is in the format of torch < 1.6, which has no sums: damage to it cannot be seen',
        'current',
        logging.WARNING,
    )
    return tree, lambda storage: stored[storage.key]


def _check_byteorder(path: str, order: str) -> None:
    if order != sys.byteorder:
        raise CheckpointError(
            f'{path} was written on a machine of {order}-endian numbers, and this one is '
            f'{sys.byteorder}-endian. Load it there and save it as .safetensors'
        )


def _read_tree(path: str, file: BinaryIO, found: dict[str, _Storage] | None = None) -> Any:
    def storage(pid: tuple) -> _Storage:
        kind, cls, key, _, length, *view = pid
        if (dtype := _STORAGES.get(cls.name.rpartition('.')[2])) is None:
            raise CheckpointError(f'{path} holds numbers of {cls.name}, which no weight is made of')
        if kind != 'storage' or type(length) is not int or length < 0 or any(view):
            raise ValueError('it holds something else than tensors outside of its pickle')
        if found is not None:
            found[key] = _Storage(dtype, key, length)
        return _Storage(dtype, key, length)

    tree, names = read_pickle(file, storage)
    if others := names & _OTHER_TENSORS.keys():
        raise CheckpointError(
            f'{path} holds {_OTHER_TENSORS[others.pop()]}, which is no weight that can be loaded. '
            'Save dense tensors of numbers'
        )
    known = {*_MAKERS, *_CLASSES, *_DTYPES, *_INERT_NAMES}
    refused = [
        name
        for name in names - known
        if not name.startswith(_INERT_PACKAGES)
        and not re.fullmatch(rf'torch\.(cuda\.|storage\.)?({"|".join(_STORAGES)})', name)
    ]
    if refused:
        raise _refuse_names(path, refused)
    return tree


def _refuse(path: str, reason: str) -> UnsafeCheckpointError:
    return UnsafeCheckpointError(f'{path} was refused: {reason}. Nothing of it was run. {_REMEDY}')


def _refuse_names(path: str, names: Iterable[str]) -> UnsafeCheckpointError:
    return _refuse(
        path,
        f'it asks for {", ".join(sorted(names))}, which a checkpoint has no need of and which '
        'could run code',
    )


# ---- from records to values -----------------------------------------------------------------


def _tensor(
    stored: tuple[_Storage, Tensor],
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
        raise ValueError(f'a tensor is of size {size}, stride {stride}, at {offset}')
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
        raise ValueError(f'arrays of {code} are no numbers and no text')
    return np.dtype(code)


def _scalar(dtype: np.dtype, data: bytes = b'') -> np.generic:
    return np.frombuffer(data, dtype, 1)[0] if dtype.itemsize else dtype.type()


def _array_of(data: bytes, dtype: np.dtype, shape: tuple, order: str) -> np.ndarray:
    values = np.frombuffer(data, dtype).reshape(shape, order=order)
    return values.astype(dtype.newbyteorder('='))  # a copy


def _array(_: None, version: int, shape: tuple, dtype: np.dtype, columns: bool, data: bytes):
    return _array_of(data, dtype, shape, 'F' if columns else 'C')


#: What is made of a name's arguments.
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
#: What fills with their state those that come empty.
_FILLERS = {
    'numpy.core.multiarray._reconstruct': _array,
    'numpy.dtype': lambda dtype, version, order, *_: dtype.newbyteorder(order),
}
#: Classes that are arguments of these.
_CLASSES = ('numpy.ndarray', 'torch.Tensor', 'torch._tensor.Tensor', 'torch.nn.parameter.Parameter')


class _Restorer:
    """Turns a tree of records into values, everything once, however often it is referred to."""

    def __init__(self, numbers: _Numbers, device: str | torch.device):
        self.numbers, self.device = numbers, device
        self.left: set[str] = set()  # names of what stays a record
        self._made: dict[int, Any] = {}  # by the id of what stands in the tree
        self._stored: dict[str, tuple[_Storage, Tensor]] = {}

    def restore(self, value: Any) -> Any:
        if value is None or type(value) in (bool, int, float, complex, str, bytes):
            return value
        if id(value) not in self._made:
            self._made[id(value)] = self._make(value)
        return self._made[id(value)]

    def _make(self, value: Any) -> Any:
        kind = type(value)
        if kind in (dict, list):  # may hold themselves
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
        if kind is _Storage:
            known, values = self._stored.get(value.key, (value, None))
            if values is None:
                values = self.numbers(value).to(self.device)
                self._stored[value.key] = value, values
            if known != value:
                raise ValueError(f'the numbers of {value.key} are of two types')
            return value, values
        if kind is type and issubclass(value, Inert):
            return self._named(value)
        if isinstance(value, Inert):
            return self._called(value)
        raise ValueError(f'a {kind.__name__} has no place in a checkpoint')

    def _named(self, cls: type[Inert]) -> Any:
        if cls.name in _DTYPES:
            return _DTYPES[cls.name]
        if cls.name in _MAKERS or cls.name in _CLASSES:
            return cls
        self.left.add(cls.name)
        return cls()

    def _called(self, record: Inert) -> Any:
        name = record.name
        if name == 'torch._tensor._rebuild_from_type_v2':  # a tensor that has attributes
            maker, _, args, _ = record.args
            return self._called(maker(*args))
        if name == 'mmengine.logging.history_buffer.HistoryBuffer' and type(record.state) is dict:
            # Of its state these alone: the others are functions.
            values, counts, length = map(
                self.restore,
                map(record.state.get, ('_log_history', '_count_history', 'max_length')),
            )
            values = np.asarray(values, dtype=np.float64)
            return HistoryBuffer(values, np.asarray(counts), int(length or 1_000_000))
        if name in _MAKERS:
            made = _MAKERS[name](*map(self.restore, record.args))
            if isinstance(made, OrderedDict | Counter):
                made.update((self.restore(k), self.restore(v)) for k, v in record.items)
                metadata = self.restore((record.state or {}).get('_metadata'))
                if isinstance(metadata, dict):  # versions of a state dict's modules
                    made._metadata = metadata
            elif record.state is not None:
                made = _FILLERS[name](made, *self.restore(record.state))
            return made
        self.left.add(name)
        return record
