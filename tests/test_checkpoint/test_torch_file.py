# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Files of torch.save, read without torch.load; the result of torch.load is the reference."""

import argparse
import collections
import io
import os
import pickle
import random
import struct
import warnings
import zipfile
import zlib

import numpy as np
import pytest
import torch
from torch import nn

from mmfer.checkpoint import CheckpointError, UnsafeCheckpointError
from mmfer.checkpoint.inert_pickle import Inert
from mmfer.checkpoint.torch_file import read_torch_file

BASE = torch.arange(12.0).reshape(3, 4)
TENSORS = {
    'plain': BASE,
    'tied': BASE,
    'turned': BASE.T,
    'view': BASE[1:, ::2],
    'repeated': torch.ones(1).expand(5),
    'number': torch.tensor(3),
    'empty': torch.zeros(0, 3),
    'bool': torch.tensor([True, False]),
    'half': torch.ones(2).half(),
    'bfloat16': torch.ones(2).bfloat16(),
    'complex': torch.ones(2, dtype=torch.complex64),
    'parameter': nn.Parameter(torch.ones(2)),
    'frozen': nn.Parameter(torch.ones(2), requires_grad=False),
    'with gradient': torch.ones(2, requires_grad=True),
}
VALUES = {
    'text': np.str_('Überraschung'),
    'no text': np.str_(''),
    'bytes': np.bytes_(b'ab'),
    'bool': np.bool_(True),
    'float64': np.float64(1.5),
    'float32': np.float32(2.5),
    'int64': np.int64(-3),
    'array': np.arange(6).reshape(2, 3),
    'by columns': np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    'names': np.array(['a', 'bc']),
    'empty': np.zeros((0, 2)),
    'turned bytes': np.arange(3, dtype='>f4'),
    'python': [None, True, 2**70, -5, 1.5, 1j, 'a', b'\xff', b'', (1, {2}), frozenset([3])],
    'torch': (torch.Size([1, 2]), torch.device('cpu'), torch.float16),
    'counts': collections.Counter('aab'),
}


def assert_same(found, expected):
    assert type(found) is type(expected)
    if isinstance(found, torch.Tensor):
        assert (found.dtype, found.stride()) == (expected.dtype, expected.stride())
        assert found.requires_grad == expected.requires_grad
        assert torch.equal(found, expected)
    elif isinstance(found, (np.ndarray, np.generic)):
        assert found.dtype == expected.dtype.newbyteorder('=')
        np.testing.assert_array_equal(found, expected)
    elif isinstance(found, dict):
        assert list(found) == list(expected)
        for key in found:
            assert_same(found[key], expected[key])
    elif isinstance(found, (list, tuple)):
        assert len(found) == len(expected)
        for pair in zip(found, expected, strict=True):
            assert_same(*pair)
    else:
        assert found == expected


@pytest.mark.parametrize('protocol', [2, 3, 4, 5])
@pytest.mark.parametrize('zipped', [True, False], ids=['zip', 'before torch 1.6'])
def test_saved_values_are_read_back(tmp_path, zipped, protocol):
    content = dict(tensors=TENSORS, values=VALUES, state=nn.BatchNorm1d(2).state_dict())
    file = tmp_path / 'a.pth'
    torch.save(content, file, pickle_protocol=protocol, _use_new_zipfile_serialization=zipped)
    found = read_torch_file(str(file))
    assert_same(found, content)
    assert found['state']._metadata == content['state']._metadata
    tied, plain = found['tensors']['tied'], found['tensors']['turned']
    assert tied.untyped_storage().data_ptr() == plain.untyped_storage().data_ptr()
    found['tensors']['plain'][0, 1] = 99
    assert tied[0, 1] == 99 and plain[1, 0] == 99


def test_newer_types_and_attributes(tmp_path):
    tagged = torch.ones(2)
    tagged.note = 'of somebody'
    content = dict(tagged=tagged, eight=torch.ones(2).to(torch.float8_e4m3fn))
    torch.save(content, tmp_path / 'a.pth')
    found = read_torch_file(str(tmp_path / 'a.pth'))
    assert found['tagged'].tolist() == [1, 1]
    assert found['eight'].dtype == torch.float8_e4m3fn and found['eight'].float().sum() == 2


@pytest.mark.parametrize(
    'value, word',
    [
        (torch.ones(2, device='meta'), 'meta'),
        (torch.ones(2).to_sparse(), 'sparse'),
        (torch.nested.nested_tensor([torch.ones(2)]), 'nested'),
        (np.datetime64(1, 's'), 'M8'),
        (np.zeros(2, dtype=[('a', 'f4')]), 'V4'),
        (np.array([None]), 'O8'),
    ],
    ids=['meta', 'sparse', 'nested', 'date', 'record', 'object'],
)
def test_tensors_that_are_not_weights_are_named(tmp_path, value, word):
    torch.save({'state_dict': {'a': value}}, tmp_path / 'a.pth')
    with pytest.raises(CheckpointError, match=word):
        read_torch_file(str(tmp_path / 'a.pth'))


def test_quantized_tensors_are_named(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        value = torch.quantize_per_tensor(torch.ones(2), 1, 0, torch.qint8)
        torch.save(value, tmp_path / 'a.pth')
    with pytest.raises(CheckpointError, match='QInt8Storage'):
        read_torch_file(str(tmp_path / 'a.pth'))


# ---- damage ---------------------------------------------------------------------------------


def damaged(content, rng):
    content = bytearray(content)
    place = rng.randrange(len(content))
    kind = rng.choice(['bit', 'bits', 'cut', 'block', 'twice'])
    if kind == 'cut':
        del content[place:]
    elif kind == 'block':
        content[place : place + 512] = bytes(len(content[place : place + 512]))
    elif kind == 'twice':
        content[place:place] = content[place : place + 64]
    else:
        for _ in range(3 if kind == 'bits' else 1):
            content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    return bytes(content)


def test_damage_is_detected_or_harmless(tmp_path):
    """The zip format has checksums of all records; bytes between the records are not used."""
    rng = random.Random(0)
    path, content = tmp_path / 'a.pth', dict(state_dict=dict(a=torch.randn(40, 40)), meta=VALUES)
    torch.save(content, path)
    whole = path.read_bytes()
    refused = 0
    for _ in range(200):
        path.write_bytes(damaged(whole, rng))
        try:
            found = read_torch_file(str(path))
        except CheckpointError as error:
            assert str(path) in str(error)
            refused += 1
        else:
            assert_same(found, content)
    assert refused > 150


@pytest.mark.skipif(not hasattr(torch.serialization, 'set_crc32_options'), reason='torch < 2.6')
def test_files_without_checksums(tmp_path):
    torch.serialization.set_crc32_options(False)
    try:
        torch.save({'a': BASE}, tmp_path / 'a.pth')
    finally:
        torch.serialization.set_crc32_options(True)
    assert torch.equal(read_torch_file(str(tmp_path / 'a.pth'))['a'], BASE)


def test_damage_to_the_old_format_is_a_checkpoint_error(tmp_path):
    """It has no checksums, so numbers may change, but there is no other effect."""
    rng = random.Random(0)
    path = tmp_path / 'a.pth'
    torch.save({'a': torch.randn(8), 'meta': VALUES}, path, _use_new_zipfile_serialization=False)
    whole = path.read_bytes()
    for _ in range(200):
        path.write_bytes(damaged(whole, rng))
        try:
            read_torch_file(str(path))
        except CheckpointError as error:
            assert str(path) in str(error)
    for wrong in (whole[:-1], whole + b'x'):
        path.write_bytes(wrong)
        with pytest.raises(CheckpointError, match=str(path)):
            read_torch_file(str(path))


# ---- hand-written files ---------------------------------------------------------------------


def archive(path, program, records=(('data/0', bytes(16)),), compression=zipfile.ZIP_STORED):
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # duplicate records
        with zipfile.ZipFile(path, 'w', compression) as file:
            for name, content in (('data.pkl', program), ('version', b'3'), *records):
                file.writestr(f'a/{name}', content)
    return str(path)


def dump(value):
    return pickle.dumps(value, 2)[2:-1]


def tensor(offset, size, stride):
    """Return the pickle of a tensor on a storage of four numbers."""
    storage = b'(X\x07\0\0\0storagectorch\nFloatStorage\n' + dump('0') + dump('cpu') + b'K\x04tQ'
    return (
        b'\x80\x02ctorch._utils\n_rebuild_tensor_v2\n('
        + storage
        + dump(offset)
        + dump(size)
        + dump(stride)
        + b'\x89ccollections\nOrderedDict\n)RtR.'
    )


def test_a_record_that_is_shorter_than_its_tensor(tmp_path):
    """Otherwise the rest of the tensor would be whatever was in memory."""
    path = archive(tmp_path / 'a.pth', tensor(0, (4,), (1,)))
    content = bytearray((tmp_path / 'a.pth').read_bytes())
    entry = content.index(b'PK\x01\x02', content.index(b'PK\x01\x02', 0))
    while not content[entry + 46 :].startswith(b'a/data/0'):
        entry = content.index(b'PK\x01\x02', entry + 1)
    content[entry + 16 : entry + 24] = zlib.crc32(bytes(4)).to_bytes(4, 'little') + b'\4\0\0\0'
    (tmp_path / 'a.pth').write_bytes(content)
    with pytest.raises(CheckpointError, match='wrong sizes'):
        read_torch_file(path)


def test_a_tensor_by_hand(tmp_path):
    path = archive(tmp_path / 'a.pth', tensor(1, (3,), (1,)))
    assert read_torch_file(path).tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    'place',
    [
        (0, (5,), (1,)),
        (4, (1,), (1,)),
        (-1, (1,), (1,)),
        (3, (2,), (-1,)),
        (0, (10**12,), (0,)),
        (2**70, (1,), (1,)),
        (0, (4.0,), (1,)),
        (0, (-4,), (1,)),
        (0, (2, 2), (1,)),
    ],
    ids=str,
)
def test_no_tensor_reaches_beyond_its_numbers(tmp_path, place):
    with pytest.raises(CheckpointError, match='a.pth'):
        read_torch_file(archive(tmp_path / 'a.pth', tensor(*place)))


@pytest.mark.parametrize(
    'records',
    [(), (('data/0', bytes(15)),), (('data/0', bytes(16)),) * 2, (('b/data.pkl', b'N.'),)],
    ids=['no numbers', 'too few', 'twice', 'two programs'],
)
def test_other_records(tmp_path, records):
    with pytest.raises(CheckpointError, match='a.pth'):
        read_torch_file(archive(tmp_path / 'a.pth', tensor(0, (4,), (1,)), records))


def test_small_files_do_not_become_large(tmp_path):
    numbers = (('data/0', bytes(2**24)),)
    path = archive(tmp_path / 'a.pth', b'\x80\x02N.', numbers, zipfile.ZIP_DEFLATED)
    assert os.path.getsize(path) < 2**16
    with pytest.raises(CheckpointError, match='compressed'):
        read_torch_file(path)


@pytest.mark.parametrize(
    'program',
    [
        b'',
        b'\x80\x02' + b']' * 50_000 + b'a' * 49_999 + b'.',
        b'\x80\x02)' + b'\x85' * 50_000 + b'.',
        b'\x80\x04\x8e' + (2**40).to_bytes(8, 'little') + b'x.',
        b'\x80\x02\x82\x01.',
        b'\x80\x02K\x05Q.',
        b'\x80\x02ctorch\ndevice\nX\x04\0\0\0junk\x85R.',
        b'\x80\x02ctorch\nSize\nK\x05\x85R.',
        b'\x80\x02ccollections\nOrderedDict\n}(X\x01\0\0\0aK\x01ub.',
        b'\x80\x02cbuiltins\nset\nN}(X\x01\0\0\0aK\x01u\x86b.',
        b'\x80\x02]q\0h\0\x85\x85\x81.',
    ],
)
def test_odd_programs(tmp_path, program):
    with pytest.raises(CheckpointError, match='a.pth'):
        read_torch_file(archive(tmp_path / 'a.pth', program))


@pytest.mark.parametrize(
    'program',
    [
        b"(S'x'\nios\nsystem\n.",
        b"(cos\nsystem\nS'x'\no.",
        b'\x80\x04cos\nsystem\n)}\x92.',
        b'\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x01x\x85R.',
        b'\x80\x02cos\nsystem\n0N.',
    ],
    ids=['INST', 'OBJ', 'NEWOBJ_EX', 'STACK_GLOBAL', 'not used'],
)
def test_every_way_to_name_something_is_an_error(tmp_path, program, monkeypatch):
    monkeypatch.setattr(os, 'system', None)
    with pytest.raises(UnsafeCheckpointError, match=r'os\.system'):
        read_torch_file(archive(tmp_path / 'a.pth', program))


def test_recursive_and_shared_values(tmp_path):
    itself = read_torch_file(archive(tmp_path / 'a.pth', b'\x80\x02]q\0h\0a.'))
    assert itself[0] is itself
    doubled = b'h\0h\0\x86q\0' * 60  # 2 ** 60 places, 60 values
    assert len(read_torch_file(archive(tmp_path / 'a.pth', b'\x80\x02)q\0' + doubled + b'.'))) == 2


def test_a_large_memo_index_takes_no_memory(tmp_path):
    path = archive(tmp_path / 'a.pth', b'\x80\x02Nr\xff\xff\xff\x7f.')  # 16 GiB in the C version
    assert read_torch_file(path) is None


@pytest.mark.parametrize('metadata', [3, [1], {'': 3}, {'': {'version': 'x'}}], ids=str)
def test_invalid_versions_of_modules_are_ignored(tmp_path, metadata):
    weights = nn.BatchNorm1d(2).state_dict()
    weights._metadata = metadata
    torch.save(weights, tmp_path / 'a.pth')
    nn.BatchNorm1d(2).load_state_dict(read_torch_file(str(tmp_path / 'a.pth')))


def test_methods_are_not_replaced(tmp_path):
    program = b'\x80\x02ccollections\nOrderedDict\n)R}(X\x05\0\0\0itemsK\x01ub.'
    found = read_torch_file(archive(tmp_path / 'a.pth', program))
    assert list(found.items()) == []


def test_records_do_nothing(tmp_path):
    program = b'\x80\x02cmmengine.config\nConfigDict\n}\x85R}(X\x01\0\0\0aK\x01us.'
    program = program.replace(b'us.', b'ub.')
    found = read_torch_file(archive(tmp_path / 'a.pth', program))
    assert isinstance(found, Inert) and found.state == {'a': 1}


def test_the_old_format_by_hand(tmp_path):
    head = [0x1950A86A20F9469CFC6C, 1001, {'little_endian': True}]
    start = b''.join(pickle.dumps(value, 2) for value in head)
    path = tmp_path / 'a.pth'
    for program, length in (
        (tensor(0, (4,), (1,)), 2**60),
        (tensor(0, (5,), (1,)), 4),
        (b'cos\nsystem\n.', 4),
    ):
        end = pickle.dumps(['0'], 2) + struct.pack('<q', length) + bytes(16)
        path.write_bytes(start + program + end)
        with pytest.raises(CheckpointError, match='a.pth'):
            read_torch_file(str(path))
    end = pickle.dumps(['0'], 2) + struct.pack('<q', 4) + bytes(16)
    path.write_bytes(start + tensor(0, (4,), (1,)) + end)
    assert read_torch_file(str(path)).tolist() == [0, 0, 0, 0]


def test_scalars_of_numpy_1_and_2(tmp_path):
    """The module of numpy's scalars was renamed; files have either name."""
    file = io.BytesIO()
    torch.save(np.str_('a'), file)
    with zipfile.ZipFile(file) as saved:
        program = saved.read(next(n for n in saved.namelist() if n.endswith('data.pkl')))
    for name in (b'numpy.core.multiarray', b'numpy._core.multiarray'):
        renamed = program.replace(b'numpy._core.multiarray', b'numpy.core.multiarray')
        renamed = renamed.replace(b'numpy.core.multiarray', name)
        assert read_torch_file(archive(tmp_path / 'a.pth', renamed)) == 'a'


def test_command_lines_stay_records(tmp_path):
    """timm, MAE, DeiT and DINO save them; they are not needed."""
    torch.save(dict(model=BASE, args=argparse.Namespace(lr=1)), tmp_path / 'a.pth')
    found = read_torch_file(str(tmp_path / 'a.pth'))
    assert torch.equal(found['model'], BASE) and isinstance(found['args'], Inert)
