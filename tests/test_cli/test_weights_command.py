# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import pytest
import torch

from mmfer import cli
from mmfer.checkpoint.starting_weights import read_starting_weights
from mmfer.cli import weights

ENTRIES = read_starting_weights()
USER = 'transfer_ir50-vit-small_1xb64-40e_rafdb-112px'


@pytest.fixture
def call(tmp_path, monkeypatch, capsys):
    """Call the command in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def _call(*words):
        status = cli.main(['weights', *map(str, words)])
        return status, *capsys.readouterr()

    return _call


@pytest.fixture(scope='module')
def all_users():
    return weights._users()


@pytest.fixture
def users(monkeypatch, all_users):
    """Avoid reading all configs again."""
    monkeypatch.setattr(weights, '_users', lambda: all_users)
    return all_users


def test_the_list(call, users, tmp_path, monkeypatch):
    monkeypatch.setenv('COLUMNS', '100')
    (tmp_path / 'checkpoints').mkdir()
    torch.save(dict(state_dict={}), tmp_path / ENTRIES['ir50_ms1m'].file)
    (tmp_path / ENTRIES['apvit_rafdb'].file).write_bytes(b'half')
    status, said, _ = call()
    assert status == 0 and all(len(line) <= 100 for line in said.splitlines())
    blocks = {block.partition(':')[0]: ' '.join(block.split()) for block in said.split('\n\n')}
    for name, entry in ENTRIES.items():
        block = blocks[name]
        for part in (entry.what, entry.file, entry.licence, entry.terms, entry.page):
            assert part in block
        assert f'; {len(users[entry.file])} config' in block
    assert 'exists and is complete' in blocks['ir50_ms1m']
    assert 'exists, but it is truncated' in blocks['apvit_rafdb']
    assert 'is missing;' in blocks['vit-small_imagenet']
    assert 'python -m mmfer weights get vit-small_imagenet' in blocks['vit-small_imagenet']
    assert f'2 of {len(ENTRIES)} files exist' in said and USER not in said


def test_the_list_with_configs(call, users):
    status, said, _ = call('-v')
    assert status == 0 and said.splitlines().count(f'    {USER}') == 2


def test_where_the_file_goes(call, tmp_path):
    source = tmp_path / 'a.pth'
    torch.save(dict(state_dict=dict(a=torch.ones(1))), source)
    name, content = 'swin-base_imagenet', source.read_bytes()
    for words, target in (
        ((), 'checkpoints/swin-base_imagenet.pth'),
        (('--dir', 'shared'), 'shared/swin-base_imagenet.pth'),
        (('--out', 'my/own.pth'), 'my/own.pth'),
    ):
        status, said, _ = call('get', name, '--url', source, *words)
        assert status == 0 and f'wrote {target}' in said
        assert (tmp_path / target).read_bytes() == content


@pytest.mark.parametrize(
    'words, part',
    [
        (['no-such'], "'no-such'"),
        (['ir50_ms1m', 'apvit_rafdb', '--url', 'a.pth'], 'one NAME'),
        (['ir50_ms1m', '--sha256', '01234567'], '--url'),
        (['ir50_ms1m'], 'face.evoLVe'),
        (['ir50_ms1m', '--url', 'nowhere.pth'], 'nowhere.pth'),
        (['ir50_ms1m', '--url', 'http://localhost/a.pth'], 'https'),
    ],
)
def test_errors(call, words, part, tmp_path):
    status, _, said = call('get', *words)
    assert status == 2 and said.startswith('error: ') and part in said
    assert not list(tmp_path.iterdir())
