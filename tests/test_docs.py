# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Test the programs of the tutorials. `make docs` builds the site and checks its links."""

import re
import runpy
import sys

import torch
from mmengine.config import Config

from mmfer.registry import DATASETS, MODELS


def program(repo_root, page: str, contains: str) -> str:
    """Return the Python block of a tutorial with this text; configs are the repository's."""
    text = (repo_root / 'docs' / 'tutorials' / page).read_text(encoding='utf-8')
    blocks = re.findall(r'^```python\n(.*?)^```', text, re.M | re.S)
    (block,) = [block for block in blocks if contains in block]
    return block.replace("'configs/", f"'{(repo_root / 'configs').as_posix()}/")


def test_weights_and_configs_that_pages_name_exist(repo_root):
    pages = [repo_root / 'README.md', *(repo_root / 'docs').rglob('*.md')]
    named = re.compile(
        r'\bmmfer/weights/[\w-]+-[0-9a-f]{8}\.safetensors|\bconfigs/[\w/-]+_\dxb[\w-]+\.py'
    )
    found = {path for page in pages for path in named.findall(page.read_text(encoding='utf-8'))}
    assert len(found) > 10
    assert not [path for path in sorted(found) if not (repo_root / path).is_file()]


def test_folders_of_your_own_are_read(repo_root, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    draw = program(repo_root, 'your_own_faces.md', 'imwrite')
    few = draw.replace("('train', 700), ('val', 210)", "('train', 28), ('val', 14)")
    assert few != draw
    (tmp_path / 'draw.py').write_text(few)
    runpy.run_path('draw.py')
    (tmp_path / 'mine.py').write_text(program(repo_root, 'your_own_faces.md', 'CustomDataset'))
    config = Config.fromfile('mine.py')
    parts = {
        part: DATASETS.build(config[f'{part}_dataloader'].dataset) for part in ('train', 'test')
    }
    assert {part: len(faces) for part, faces in parts.items()} == {'train': 12, 'test': 6}
    assert parts['train'].metainfo['classes'] == ('anger', 'happiness', 'surprise')
    assert config.model.head.num_classes == 3
    assert parts['train'][0]['inputs'].shape == (3, 48, 48)
    assert (repo_root / config.load_from).is_file()


def test_a_component_of_your_own_pools(repo_root, tmp_path, monkeypatch):
    for name, contains in (('spread_pooling', 'register_module'), ('spread', 'custom_imports')):
        code = program(repo_root, 'your_own_component.md', contains)
        (tmp_path / f'{name}.py').write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    config = Config.fromfile(tmp_path / 'spread.py')
    try:
        pooling = MODELS.build(config.model.backbone).app
        tokens = torch.randn(2, 64, 8)
        _, kept = pooling(tokens, return_indices=True)
        for image, indices in zip(tokens, kept, strict=True):
            spread = {i: image[i].var().item() for i in range(64)}
            best = sorted(spread, key=spread.get)[-pooling.keep_num :]
            assert sorted(best) == sorted(indices.tolist())
    finally:
        MODELS.module_dict.pop('SpreadPooling', None)
        sys.modules.pop('spread_pooling', None)
