# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import dataclasses
import hashlib
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from shipped_configs import CONFIGS, read_config

from mmfer.checkpoint.starting_weights import how_to_get, read_starting_weights
from mmfer.engine.starting_files import starts

ENTRIES = read_starting_weights()
BY_HAND, ADDRESSED = ENTRIES['ir50_ms1m'], ENTRIES['vit-small_imagenet']


def test_the_index_has_exactly_the_files_that_configs_use():
    named = {file for path in CONFIGS for file in starts(read_config(path)).values()}
    others = {file for file in named if not file.startswith('work_dirs/')}
    assert others == {entry.file for entry in ENTRIES.values()}


@pytest.mark.parametrize('entry', ENTRIES.values(), ids=list(ENTRIES))
def test_an_entry(entry, repo_root):
    assert Path(entry.file).stem == entry.name
    assert entry.page.startswith('https://') and entry.licence and entry.terms
    assert f'`{entry.source}`' in (repo_root / 'docs' / 'weights.md').read_text()
    if entry.sha256 is not None:
        assert entry.source.endswith(f'-{entry.sha256}.pth')
    if entry.url is not None:
        assert entry.sha256 and entry.url.startswith('https://')
        assert entry.url.endswith(f'/{entry.source}')
    if entry.converter is not None:
        tool = entry.converter.split()[0]
        assert (repo_root / 'tools' / 'model_converters' / tool).is_file()


def test_urls_are_those_of_the_publishers():
    """Equal to those in the installed packages, except for one that timm has removed."""
    packages = [Path(find_spec(name).origin).parent for name in ('mmpretrain', 'timm')]
    files = [*packages[0].glob('.mim/configs/*/metafile.yml'), *packages[1].glob('models/*.py')]
    known = '\n'.join(file.read_text() for file in files)
    unknown = [entry.name for entry in ENTRIES.values() if entry.url and entry.url not in known]
    assert unknown == ['vit-small_imagenet']


def test_how_to_get_it():
    assert how_to_get(ADDRESSED.file) == 'python -m mmfer weights get vit-small_imagenet'
    elsewhere = how_to_get('/my data/vit-small_imagenet.pth')
    assert elsewhere.endswith("vit-small_imagenet --out '/my data/vit-small_imagenet.pth'")
    text = how_to_get(BY_HAND.file)
    for part in (BY_HAND.page, f'get ir50_ms1m --url {BY_HAND.source},', BY_HAND.converter):
        assert part in text
    assert 'train that config first' in how_to_get('work_dirs/a/epoch_30.pth')


def test_check_of_a_published_file(tmp_path):
    path = tmp_path / 'a.pth'
    path.write_bytes(b'weights')
    digest = hashlib.sha256(b'weights').hexdigest()
    entry = dataclasses.replace(ADDRESSED, converter=None, sha256=digest[:8])
    assert entry.why_not_whole(path) == ''
    path.write_bytes(b'weight')
    assert entry.sha256 in entry.why_not_whole(path)
    assert dataclasses.replace(entry, sha256=None).why_not_whole(path) == ''


def test_check_of_a_converted_file(tmp_path):
    path = tmp_path / 'a.pth'
    torch.save(dict(state_dict=dict(a=torch.rand(1000))), path)
    assert ADDRESSED.why_not_whole(path) == ''
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    for content, reason in ((flipped, 'damaged'), (whole[:-100], 'truncated'), (b'', 'truncated')):
        path.write_bytes(content)
        assert reason in ADDRESSED.why_not_whole(path)
