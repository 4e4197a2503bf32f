# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Read what ``torch.save`` wrote, in both of its formats: pickled trees beside raw numbers.

The pickle is read as records (:mod:`mmfer.checkpoint.inert_pickle`), of which tensors, arrays and
plain values are made (:mod:`mmfer.checkpoint.restored_values`). Objects of OpenMMLab's packages
stay records, and any other name refuses the file.
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
#: Files of torch < 1.6 begin with the pickle of this number.
_OLD = 0x1950A86A20F9469CFC6C

_REMEDY = (
    'Use a file that holds only tensors and plain numbers, or open this one on a machine you can '
    'afford to lose and store torch.save(checkpoint["state_dict"], ...) from there.'
)


def read_torch_file(path: str, device: str | torch.device = 'cpu') -> Any:
    """Read a file of ``torch.save``; nothing that it names is imported or called.

    Tensors that shared memory share it again. All numbers are checked against the sums that the zip
    format holds of them; a file without sums, such as those of torch < 1.6, is read with a warning.

    Args:
        path (str): The file.
        device (str | torch.device): Where all tensors go. Defaults to ``'cpu'``.

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
        restorer = Restorer(numbers, device)
        content = restorer.restore(tree)
    if left := restorer.left & FUNCTIONS:
        raise _refuse_names(path, left)
    if restorer.left:
        names = sorted(restorer.left)
        print_log(f'{path}: not loaded, because they are not plain data: {names}', 'current')
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
            f'{path}: {packed[0]} is compressed, which torch.save never does; unpacked it could be '
            'of any size. Save it anew with torch.save, or unpack and pack it with zip -0'
        )
    total = sum(record.file_size for record in records.values())
    if len(records) < len(archive.infolist()) or total > file.seek(0, io.SEEK_END):
        raise CheckpointError(f'{path} is damaged: it holds records twice. Download it again')
    if not main:
        raise CheckpointError(f'{path} is a zip file, but none that torch.save wrote')
    if not any(record.CRC for record in records.values()):
        _warn(path, 'was saved without sums (torch.serialization.set_crc32_options)')
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
    found: dict[str, Storage] = {}
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
    _warn(path, 'is in the format of torch < 1.6, which has no sums')
    return tree, lambda storage: stored[storage.key]


def _warn(path: str, reason: str) -> None:
    print_log(f'{path} {reason}: damage to it cannot be seen', 'current', logging.WARNING)


def _check_byteorder(path: str, order: str) -> None:
    if order != sys.byteorder:
        raise CheckpointError(
            f'{path} was written on a machine of {order}-endian numbers, and this one is '
            f'{sys.byteorder}-endian. Load it there and save it as .safetensors'
        )


def _read_tree(path: str, file: BinaryIO, found: dict[str, Storage] | None = None) -> Any:
    def storage(pid: tuple) -> Storage:
        kind, cls, key, _, length, *view = pid
        if (dtype := STORAGES.get(cls.name.rpartition('.')[2])) is None:
            raise CheckpointError(f'{path} holds numbers of {cls.name}, which no weight is made of')
        if kind != 'storage' or type(length) is not int or length < 0 or any(view):
            raise ValueError('it holds something else than tensors outside of its pickle')
        if found is not None:
            found[key] = Storage(dtype, key, length)
        return Storage(dtype, key, length)

    tree, names = read_pickle(file, storage)
    if others := names & OTHER_TENSORS.keys():
        raise CheckpointError(
            f'{path} holds {OTHER_TENSORS[others.pop()]}, which is no weight that can be loaded. '
            'Save dense tensors of numbers'
        )
    if refused := unknown_names(names):
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
