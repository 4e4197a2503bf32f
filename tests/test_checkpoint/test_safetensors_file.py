# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import json
import logging
import random
import struct
from pathlib import Path

import pytest
import torch
from mmengine.logging import MMLogger
from safetensors.torch import save_file
from torch import nn

from mmfer.checkpoint.safe_load import CheckpointError, load_checkpoint_file
from mmfer.checkpoint.safetensors_file import (
    name_with_digest,
    read_safetensors,
    to_bytes,
    to_half,
)
from mmfer.models import PretrainedInit


def weights() -> dict:
    shared = torch.randn(3, 2)
    half = torch.randn(4).to(torch.float16)
    return dict(a=shared, tied=shared, turned=shared.T, count=torch.tensor(7), half=half)


META = dict(classes=['Fear', 'Überraschung'], input_size=[112, 112], task='expression')


def write(folder: Path) -> Path:
    content = to_bytes(weights(), META)
    path = folder / name_with_digest('net', content)
    path.write_bytes(content)
    return path


def test_round_trip(tmp_path):
    torch.manual_seed(1)
    expected = weights()
    torch.manual_seed(1)
    tensors, meta = read_safetensors(write(tmp_path))
    assert meta == META and tensors.keys() == expected.keys()
    for name, value in expected.items():
        assert tensors[name].dtype == value.dtype and torch.equal(tensors[name], value)


def test_equal_weights_give_equal_files():
    given = weights()
    backwards = dict(reversed(given.items()))
    assert to_bytes(given, META) == to_bytes(backwards, dict(reversed(META.items())))


def test_the_file_is_a_json_header_and_numbers(tmp_path):
    """By the definition of the format, so nothing in it can be a program."""
    content = write(tmp_path).read_bytes()
    (length,) = struct.unpack('<Q', content[:8])
    header = json.loads(content[8 : 8 + length])
    meta = json.loads(header.pop('__metadata__')['mmfer'])
    assert len(meta.pop('sha256')) == 64 and meta == META
    sizes = [end - start for start, end in (entry['data_offsets'] for entry in header.values())]
    assert 8 + length + sum(sizes) == len(content) and sum(sizes) == 3 * 24 + 8 + 8


def test_changed_files_are_errors(tmp_path):
    path = write(tmp_path)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match='sha256'):
        read_safetensors(path)
    with pytest.raises(CheckpointError, match='sha256'):
        load_checkpoint_file(str(path))
    renamed = path.rename(tmp_path / 'net.safetensors')
    with pytest.raises(CheckpointError, match='sha256'):
        read_safetensors(renamed)


def test_any_damage_is_detected_whatever_the_name(tmp_path):
    path = tmp_path / 'net.safetensors'
    content = to_bytes({**weights(), 'empty': torch.zeros(0, 2)}, META)
    path.write_bytes(content)
    assert read_safetensors(path)[1] == META
    rng = random.Random(0)
    # Except in the key of the digest: without it, there is a warning that the digest is missing.
    names = [content.index(name) for name in (b'mmfer', b'sha256')]
    places = set(range(len(content))).difference(*(range(start, start + 6) for start in names))
    for place in rng.sample(sorted(places), 100):
        damaged = bytearray(content)
        damaged[place] ^= 1 << rng.randrange(8)
        path.write_bytes(damaged)
        with pytest.raises(CheckpointError, match=str(path)):
            load_checkpoint_file(str(path))


def test_files_without_a_digest_get_a_warning(tmp_path):
    path = tmp_path / 'net.safetensors'
    save_file({'a': torch.ones(2)}, path, {'mmfer': '{"task": "age"}'})
    said = []
    handler = logging.Handler()
    handler.emit = lambda record: said.append(record.getMessage())
    logger = MMLogger.get_current_instance()
    logger.addHandler(handler)
    try:
        assert read_safetensors(path)[1] == dict(task='age')
        assert f'{path} has no digest' in said[0]
        read_safetensors(write(tmp_path))
        named = tmp_path / name_with_digest('old', path.read_bytes())
        read_safetensors(path.rename(named))
    finally:
        logger.removeHandler(handler)
    assert len(said) == 1


@pytest.mark.parametrize(
    'header',
    [
        b'{"a":' + b'[' * 100_000,
        b'{"__metadata__":{"mmfer":"' + b'[' * 100_000 + b'"}}',
        b'{"__metadata__":{"mmfer":"{\\"classes\\":5}"}}',
        b'{"__metadata__":{"mmfer":"' + b'1' * 10_000 + b'"}}',
        b'{"a":{"dtype":"X","shape":[1],"data_offsets":[0,1]}}',
        b'\xff',
    ],
    ids=['deep', 'deep facts', 'classes', 'number', 'type', 'no text'],
)
def test_odd_headers(tmp_path, header):
    path = tmp_path / 'net.safetensors'
    for length in (len(header), 2**63):
        path.write_bytes(struct.pack('<Q', length) + header + b'\0')
        with pytest.raises(CheckpointError, match=str(path)):
            load_checkpoint_file(str(path))


@pytest.mark.parametrize('content', [b'<html></html>', b'\x80\x04K\x01.', None])
def test_other_files(tmp_path, content):
    path = tmp_path / 'net.safetensors'
    path.write_bytes(content or to_bytes(weights(), META)[:-9])
    with pytest.raises(CheckpointError, match='safetensors'):
        load_checkpoint_file(str(path))


def test_files_of_other_projects(tmp_path):
    path = tmp_path / 'model.safetensors'
    save_file({'fc.weight': torch.ones(2)}, path, {'format': 'pt'})
    loaded = load_checkpoint_file(str(path))
    assert loaded['meta'] == {} and torch.equal(loaded['state_dict']['fc.weight'], torch.ones(2))
    for text, reason in (('{', 'JSON'), ('[1]', 'list')):
        save_file({'a': torch.ones(2)}, path, {'mmfer': text})
        with pytest.raises(CheckpointError, match=reason):
            read_safetensors(path)


def test_class_names_are_where_training_checkpoints_have_them(tmp_path):
    meta = load_checkpoint_file(str(write(tmp_path)))['meta']
    assert meta['dataset_meta'] == dict(classes=META['classes'])


def test_half_precision_is_loaded_as_float32(tmp_path):
    path = tmp_path / 'net.safetensors'
    given = dict(
        a=torch.tensor([1 / 3, 65504]), b=torch.tensor([2.0**-30]).double(), n=weights()['count']
    )
    halved = to_half(given)
    assert {value.dtype for value in halved.values()} == {torch.float16, torch.int64}
    path.write_bytes(to_bytes(halved, META))
    loaded = load_checkpoint_file(str(path))['state_dict']
    assert {value.dtype for value in loaded.values()} == {torch.float32, torch.int64}
    assert loaded['a'].tolist() == [pytest.approx(1 / 3, rel=2**-11), 65504]
    assert loaded['b'].item() == 0 and loaded['n'].item() == 7
    with pytest.raises(ValueError, match='b .*70000.*--half'):
        to_half(dict(a=torch.ones(2), b=torch.tensor([0, -7e4])))


def test_init_cfg_loads_them(tmp_path):
    source, target = nn.Linear(3, 2), nn.Linear(3, 2)
    path = tmp_path / 'net.safetensors'
    state = {f'backbone.{name}': value for name, value in source.state_dict().items()}
    path.write_bytes(to_bytes(state, {}))
    PretrainedInit(checkpoint=str(path), prefix='backbone.')(target)
    assert torch.equal(source.weight, target.weight) and torch.equal(source.bias, target.bias)
