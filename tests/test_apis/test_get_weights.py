# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import dataclasses
import hashlib
import io

import pytest
import timm
import torch
from https_server import Page, trusted_server

from mmfer.apis.get_weights import get_weights
from mmfer.checkpoint import CheckpointError
from mmfer.checkpoint.starting_weights import read_starting_weights
from mmfer.models import APViT

ENTRIES = read_starting_weights()


def saved(weights):
    file = io.BytesIO()
    torch.save(weights, file)
    return file.getvalue()


CONTENT = saved(dict(state_dict={'backbone.a': torch.arange(3)}))
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def server(monkeypatch):
    with trusted_server(monkeypatch) as running:
        yield running


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def entry():
    """A file that is loaded without conversion."""
    return dataclasses.replace(
        ENTRIES['mobileone-s0_imagenet'], source=f'a-{DIGEST[:8]}.pth', sha256=DIGEST[:8]
    )


@pytest.fixture
def addressed(entry, server):
    server.pages[f'/{entry.source}'] = Page(CONTENT, {'ETag': '"1"'})
    return dataclasses.replace(entry, url=server.url(f'/{entry.source}'))


def names(folder):
    return sorted(path.name for path in (folder / 'checkpoints').iterdir())


def test_a_file_that_is_converted(server, folder):
    """Download, check and convert in one call."""
    theirs = timm.create_model('deit_tiny_patch16_224').state_dict()
    content = saved(dict(model=theirs))
    server.pages['/a'] = Page(content)
    entry = dataclasses.replace(
        ENTRIES['deit-tiny_imagenet'],
        url=server.url('/a'),
        source='a',
        sha256=hashlib.sha256(content).hexdigest(),
    )
    said = []
    assert str(get_weights(entry, log=said.append)) == 'checkpoints/deit-tiny_imagenet.pth'
    assert names(folder) == ['deit-tiny_imagenet.pth']
    model = APViT(
        arch='deit-tiny',
        init_cfg=dict(type='Pretrained', checkpoint=entry.file, allow_missing=()),
        img_size=224,
    )
    model.init_weights()
    assert torch.equal(model.layers[3].ln1.weight, theirs['blocks.3.norm1.weight'])
    assert torch.equal(model.pos_embed, theirs['pos_embed'])
    assert entry.why_not_whole(entry.file) == ''


def test_a_file_as_published(addressed, folder, server):
    seen = []
    get_weights(addressed, progress=lambda *sizes: seen.append(sizes))
    assert (folder / addressed.file).read_bytes() == CONTENT and seen[-1] == (len(CONTENT),) * 2
    assert names(folder) == ['mobileone-s0_imagenet.pth']
    said = []
    get_weights(addressed, log=said.append)
    assert len(server.asked) == 1 and 'already' in said[-1]
    get_weights(addressed, folder / 'other' / 'b.pth')
    assert (folder / 'other' / 'b.pth').read_bytes() == CONTENT


def test_an_interrupted_download(addressed, folder, server):
    page = server.pages[f'/{addressed.source}']
    page.cut = 100
    with pytest.raises(OSError, match='same command'):
        get_weights(addressed)
    assert not (folder / addressed.file).exists()
    page.cut = None
    get_weights(addressed)
    assert server.asked[-1][1] == 'bytes=100-' and names(folder) == ['mobileone-s0_imagenet.pth']


def test_another_file_is_replaced_by_force_only(addressed, folder, server):
    target = folder / addressed.file
    target.parent.mkdir()
    target.write_bytes(b'mine')
    with pytest.raises(FileExistsError, match='--force'):
        get_weights(addressed)
    assert target.read_bytes() == b'mine' and not server.asked
    server.pages.clear()
    with pytest.raises(FileNotFoundError):
        get_weights(addressed, force=True)
    assert target.read_bytes() == b'mine'
    server.pages[f'/{addressed.source}'] = Page(CONTENT)
    get_weights(addressed, force=True)
    assert target.read_bytes() == CONTENT


def test_a_url_that_no_longer_exists(addressed, folder, server):
    server.pages.clear()
    with pytest.raises(FileNotFoundError, match=f'404.*{addressed.page}.*--url'):
        get_weights(addressed)


def test_changed_content(addressed, folder, server):
    server.pages[f'/{addressed.source}'].content = CONTENT + b'!'
    with pytest.raises(CheckpointError, match='sha256'):
        get_weights(addressed)
    assert names(folder) == [f'{addressed.source}.bad']


@pytest.mark.parametrize('content', [b'no weights', saved(dict(a='text'))])
def test_content_that_is_not_a_checkpoint(addressed, folder, server, content):
    """From a URL without a known checksum."""
    server.pages['/b'] = Page(content)
    with pytest.raises(ValueError, match='is not the original file of mobileone-s0_imagenet'):
        get_weights(addressed, url=server.url('/b'))
    assert names(folder) == [f'{addressed.source}.bad']
    get_weights(addressed)
    assert (folder / addressed.file).read_bytes() == CONTENT


def test_another_model(folder):
    (folder / 'mine.pth').write_bytes(CONTENT)
    with pytest.raises(ValueError, match='is not the original file of ir50_ms1m'):
        get_weights(ENTRIES['ir50_ms1m'], url='mine.pth')
    assert (folder / 'mine.pth').exists() and not (folder / 'checkpoints' / 'mine.pth').exists()


@pytest.mark.parametrize('form', ['{}', 'file://{}', '~/mine.pth'])
def test_a_file_of_the_user(entry, folder, form, monkeypatch):
    monkeypatch.setenv('HOME', str(folder))
    mine = folder / 'mine.pth'
    mine.write_bytes(CONTENT)
    said = []
    get_weights(entry, url=form.format(mine), log=said.append)
    assert (folder / entry.file).read_bytes() == mine.read_bytes() == CONTENT
    assert any(DIGEST in line for line in said), 'what was not compared is said'


def test_the_checksum_of_a_file_of_the_user(entry, folder):
    (folder / 'mine.pth').write_bytes(CONTENT)
    with pytest.raises(CheckpointError, match=f'{DIGEST}, not 0123456789'):
        get_weights(entry, url='mine.pth', sha256='0123456789')
    assert not (folder / 'checkpoints').exists()
    get_weights(entry, url='mine.pth', sha256=DIGEST.upper())
    for digits in ('12', 'no-digits', DIGEST + '0'):
        with pytest.raises(ValueError, match='--sha256'):
            get_weights(entry, url='mine.pth', sha256=digits)


def test_the_published_name_has_the_published_checksum(entry, folder):
    (folder / entry.source).write_bytes(CONTENT + b'!')
    with pytest.raises(CheckpointError, match=entry.sha256):
        get_weights(entry, url=entry.source)


def test_a_manually_downloaded_file(entry, folder):
    """It is found next to the output file, and kept."""
    beside = folder / 'checkpoints' / entry.source
    beside.parent.mkdir()
    beside.write_bytes(CONTENT)
    get_weights(entry)
    assert names(folder) == sorted([beside.name, 'mobileone-s0_imagenet.pth'])


def test_without_a_url(folder):
    entry = ENTRIES['ir50_ms1m']
    with pytest.raises(ValueError, match=entry.page):
        get_weights(entry)
    with pytest.raises(FileNotFoundError, match='nowhere.pth'):
        get_weights(entry, url='nowhere.pth')
    with pytest.raises(CheckpointError, match='https'):
        get_weights(entry, url='http://localhost/a.pth')
