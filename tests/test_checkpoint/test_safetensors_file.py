# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import json
import struct
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from mmfer.checkpoint.safe_load import CheckpointError, load_checkpoint_file
from mmfer.checkpoint.safetensors_file import (
    name_with_digest,
    read_safetensors,
    to_bytes,
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


def test_the_same_is_the_same_file():
    given = weights()
    backwards = dict(reversed(given.items()))
    assert to_bytes(given, META) == to_bytes(backwards, dict(reversed(META.items())))


def test_the_file_is_a_header_of_json_and_numbers(tmp_path):
    """By the format's definition: nothing in it can be a program."""
    content = write(tmp_path).read_bytes()
    (length,) = struct.unpack('<Q', content[:8])
    header = json.loads(content[8 : 8 + length])
    assert json.loads(header.pop('__metadata__')['mmfer']) == META
    sizes = [end - start for start, end in (entry['data_offsets'] for entry in header.values())]
    assert 8 + length + sum(sizes) == len(content) and sum(sizes) == 3 * 24 + 8 + 8


def test_altered_files_are_named_so(tmp_path):
    path = write(tmp_path)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match='sha256'):
        read_safetensors(path)
    with pytest.raises(CheckpointError, match='sha256'):
        load_checkpoint_file(str(path))
    renamed = path.rename(tmp_path / 'net.safetensors')
    assert read_safetensors(renamed)[1] == META


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
        with pytest.raises(CheckpointError, match=f'metadata.*{reason}'):
            read_safetensors(path)


def test_class_names_are_where_checkpoints_have_them(tmp_path):
    meta = load_checkpoint_file(str(write(tmp_path)))['meta']
    assert meta['dataset_meta'] == dict(classes=META['classes'])


def test_init_cfg_takes_them(tmp_path):
    source, target = nn.Linear(3, 2), nn.Linear(3, 2)
    path = tmp_path / 'net.safetensors'
    state = {f'backbone.{name}': value for name, value in source.state_dict().items()}
    path.write_bytes(to_bytes(state, {}))
    PretrainedInit(checkpoint=str(path), prefix='backbone.')(target)
    assert torch.equal(source.weight, target.weight) and torch.equal(source.bias, target.bias)
