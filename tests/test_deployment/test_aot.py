# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import json
import os
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from task_models import SIZE, task_model

from mmfer.deployment.aot import export_package
from mmfer.deployment.exported import PACKAGE_TORCH, AotModel
from mmfer.deployment.model import ExportError, require_torch
from mmfer.registry import MODELS

FACTS = dict(
    classes=['joy', 'Überraschung'],
    preprocessing=dict(mean=[0.0] * 3, std=[1.0] * 3, order='BGR', inside=True),
)


@pytest.fixture
def model():
    return MODELS.build(task_model('expression')).eval()


def test_nothing_is_left_behind(model, monkeypatch):
    """The compiler is a stand-in; tests of export_aoti.py use the real one."""
    seen = {}

    def compile_and_package(program, package_path, inductor_configs):
        folder = os.environ['TORCHINDUCTOR_CACHE_DIR']
        assert Path(package_path).parent == Path(folder)
        seen.update(inductor_configs, folder=folder)
        Path(package_path).write_bytes(b'package')

    monkeypatch.setattr(torch._inductor, 'aoti_compile_and_package', compile_and_package)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    for cache in ('/somewhere', None):
        if cache is None:
            monkeypatch.delenv('TORCHINDUCTOR_CACHE_DIR')
        else:
            monkeypatch.setenv('TORCHINDUCTOR_CACHE_DIR', cache)
        assert export_package(model, (SIZE, SIZE), FACTS, with_preprocessing=True) == b'package'
        assert os.environ.get('TORCHINDUCTOR_CACHE_DIR') == cache
        assert not Path(seen['folder']).exists()
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])
    written = {key: json.loads(text) for key, text in seen['aot_inductor.metadata'].items()}
    expected = dict(FACTS, input_name='images', output_names=['scores', 'logits'])
    assert written == expected


def test_what_cannot_be_compiled(model, monkeypatch):
    model.head = torch.nn.Identity()
    with pytest.raises(ExportError, match='model.head'):
        export_package(model, (SIZE, SIZE), FACTS)
    monkeypatch.setattr(torch, '__version__', '2.5.1+cpu')
    with pytest.raises(ExportError, match='torch >= 2.6'):
        require_torch(PACKAGE_TORCH)


def test_files_that_are_not_packages(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match='none.pt2'):
        AotModel(tmp_path / 'none.pt2')
    path = tmp_path / 'net.pt2'
    path.write_bytes(b'nothing')
    with pytest.raises(ExportError, match='net.pt2'):
        AotModel(path)
    foreign = SimpleNamespace(get_metadata=lambda: dict(AOTI_DEVICE_KEY='cpu', author='somebody'))
    with monkeypatch.context() as patch:
        patch.setattr(torch._inductor, 'aoti_load_package', lambda _: foreign)
        with pytest.raises(ExportError, match='net.pt2 was not exported by mmfer'):
            AotModel(path)
    monkeypatch.setattr(torch, '__version__', '2.5.1')
    monkeypatch.delattr(torch._inductor, 'aoti_load_package')
    with pytest.raises(ExportError, match='torch >= 2.6'):
        AotModel(path)
