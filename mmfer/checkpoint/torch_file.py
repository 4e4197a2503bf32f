# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Read files of ``torch.save`` in both of its formats: a pickle and, next to it, raw numbers.

The pickle is read as records (:mod:`mmfer.checkpoint.inert_pickle`), from which tensors, arrays and
plain values are restored (:mod:`mmfer.checkpoint.restored_values`). Objects of OpenMMLab's packages
stay records. Any other name is an error.
"""

import io
import logging
import sys
import zipfile
from collections.abc import Callable, Iterable
from pathlib import PurePosixPath
from typing import Any, BinaryIO

import torch
from mmengine.logging import print_log
from torch import Tensor

from . import CheckpointError, UnsafeCheckpointError, damage_explained
from .inert_pickle import read_pickle
from .restored_values import (
    FUNCTIONS,
    OTHER_TENSORS,
    STORAGES,
    Restorer,
    Storage,
    unknown_names,
)

_ZIP = b'PK\x03\x04'
#: Files of torch < 1.6 begin with this number, pickled.
_OLD = 0x1950A86A20F9469CFC6C

_REMEDY = (
    'Use a file with tensors and plain values only, or open this one on a machine you can afford '
    'to lose and save torch.save(checkpoint["state_dict"], ...) there.'
)


def read_torch_file(path: str, device: str | torch.device = 'cpu') -> Any:
    """Read a file of ``torch.save``; nothing that it names is imported or called.

    Tensors that shared memory share it again. All numbers are checked against the checksums of the
    zip format. A file without checksums, such as those of torch < 1.6, is read with a warning.

    Args:
        path (str): The file.
        device (str | torch.device): The device for all tensors. Defaults to ``'cpu'``.

    Returns:
        The saved object: tensors, parameters, numpy arrays and scalars, plain values, and
        ``HistoryBuffer`` objects, in dicts, lists, tuples and sets. Other objects of OpenMMLab's
        packages are :class:`Inert`.

    Raises:
        OSError: The file cannot be opened.
        CheckpointError: The file is truncated, damaged, in another format, or has tensors that
            cannot be weights (quantized, sparse, meta).
        UnsafeCheckpointError: The file names anything else.
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
                f'{path} is not a checkpoint of torch.save. Check that it is the file you meant, '
                'not a web page saved by mistake, a Git LFS pointer or a bare pickle. Nothing in '
                'it was run.'
            )
        restorer = Restorer(numbers, device)
        content = restorer.restore(tree)
    if left := restorer.left & FUNCTIONS:
        raise _refuse_names(path, left)
    if restorer.left:
        names = sorted(restorer.left)
        print_log(f'{path}: skipped objects that are not plain data: {names}', 'current')
    return content


# ---- the two formats ------------------------------------------------------------------------

_Numbers = Callable[[Storage], Tensor]  # bytes, 1-D


def _read_zip(path: str, file: BinaryIO) -> tuple[Any, _Numbers]:
    archive = zipfile.ZipFile(file)
    records = {record.filename: record for record in archive.infolist()}
    (main,) = [name for name in records if PurePosixPath(name).name == 'data.pkl'] or ['']
    folder = main.rpartition('/')[0] + '/' if '/' in main else ''
    if f'{folder}constants.pkl' in records:
        raise _refuse(path, 'it is a TorchScript archive, which is a program')
    if packed := [name for name, record in records.items() if record.compress_type]:
        raise CheckpointError(
            f'{path}: {packed[0]} is compressed, which torch.save never does, and its real size is '
            'unknown. Save it again with torch.save, or unpack it and pack it with zip -0'
        )
    total = sum(record.file_size for record in records.values())
    cut = any(record.compress_size != record.file_size for record in records.values())
    if cut or len(records) < len(archive.infolist()) or total > file.seek(0, io.SEEK_END):
        raise CheckpointError(
            f'{path} is damaged: its records overlap, or are listed twice or with wrong sizes. '
            'Download it again'
        )
    if not main:
        raise CheckpointError(f'{path} is a zip file, but not one of torch.save')
    if not any(record.CRC for record in records.values()):
        _warn(path, 'was saved without checksums (torch.serialization.set_crc32_options)')
        for record in records.values():
            del record.CRC  # zipfile would check it
    if (order := f'{folder}byteorder') in records:
        _check_byteorder(path, archive.read(order).decode())
    tree = _read_tree(path, io.BytesIO(archive.read(main)))

    def numbers(storage: Storage) -> Tensor:
        name = f'{folder}data/{storage.key}'
        if records[name].file_size != storage.size:
            raise ValueError(f'{name} has {records[name].file_size} bytes, not {storage.size}')
        values = torch.empty(storage.size, dtype=torch.uint8)
        with archive.open(name) as record:  # verifies the checksum at the end
            record.readinto(memoryview(values.numpy()))
        return values

    return tree, numbers


def _is_old(file: BinaryIO) -> bool:
    try:
        return read_pickle(file)[0] == _OLD
    except Exception:  # bytes that are not a pickle can raise anything
        return False


def _read_old(path: str, file: BinaryIO) -> tuple[Any, _Numbers]:
    read_pickle(file)  # the format's version
    machine = read_pickle(file)[0]
    _check_byteorder(path, 'little' if machine['little_endian'] else 'big')
    found: dict[str, Storage] = {}
    tree = _read_tree(path, file, found)
    stored = {}
    for key in read_pickle(file)[0]:
        storage = found[key]
        if int.from_bytes(file.read(8), 'little') != storage.length:
            raise ValueError(f'{key} does not have {storage.length} numbers')
        values = bytearray(file.read(storage.size))
        if len(values) < storage.size:
            raise EOFError('it ends too early')
        stored[key] = torch.frombuffer(values or bytearray(1), dtype=torch.uint8)[: storage.size]
    if file.read(1):
        raise ValueError('it has data after its end')
    _warn(path, 'is in the format of torch < 1.6, which has no checksums')
    return tree, lambda storage: stored[storage.key]


def _warn(path: str, reason: str) -> None:
    print_log(f'{path} {reason}: damage cannot be detected', 'current', logging.WARNING)


def _check_byteorder(path: str, order: str) -> None:
    if order != sys.byteorder:
        raise CheckpointError(
            f'{path} was written on a {order}-endian machine, and this one is '
            f'{sys.byteorder}-endian. Load it there and save it as .safetensors'
        )


def _read_tree(path: str, file: BinaryIO, found: dict[str, Storage] | None = None) -> Any:
    def storage(pid: tuple) -> Storage:
        kind, cls, key, _, length, *view = pid
        if (dtype := STORAGES.get(cls.name.rpartition('.')[2])) is None:
            raise CheckpointError(f'{path} has numbers of {cls.name}, which weights cannot have')
        if kind != 'storage' or type(length) is not int or length < 0 or any(view):
            raise ValueError('it has something other than tensors outside of its pickle')
        if found is not None:
            found[key] = Storage(dtype, key, length)
        return Storage(dtype, key, length)

    tree, names = read_pickle(file, storage)
    if others := names & OTHER_TENSORS.keys():
        raise CheckpointError(
            f'{path} has {OTHER_TENSORS[others.pop()]}, which cannot be loaded as a weight. '
            'Save dense tensors of numbers'
        )
    if refused := unknown_names(names):
        raise _refuse_names(path, refused)
    return tree


def _refuse(path: str, reason: str) -> UnsafeCheckpointError:
    return UnsafeCheckpointError(
        f'{path} is not loaded: {reason}. Nothing in it was run. {_REMEDY}'
    )


def _refuse_names(path: str, names: Iterable[str]) -> UnsafeCheckpointError:
    return _refuse(
        path,
        f'it names {", ".join(sorted(names))}, which a checkpoint does not need and which could '
        'run code',
    )
