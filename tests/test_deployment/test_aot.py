# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import os
import shutil

import pytest
import torch
from task_models import SIZE, task_model

from mmfer.deployment.aot import export_package
from mmfer.deployment.compare import compare
from mmfer.deployment.exported import PACKAGE_TORCH, AotModel
from mmfer.deployment.load import random_images
from mmfer.deployment.model import ExportError, require_torch
from mmfer.registry import MODELS

FACTS = dict(
    classes=['joy', 'Überraschung'],
    preprocessing=dict(mean=[0.0] * 3, std=[1.0] * 3, order='BGR', inside=True),
)
needs_compiler = pytest.mark.skipif(
    shutil.which('g++') is None, reason='compiling needs g++, which is not installed'
)


@pytest.fixture
def model():
    return MODELS.build(task_model('expression')).eval()


@needs_compiler
def test_a_compiled_model_answers_as_pytorch(model, tmp_path):
    """uint8 images, any batch size; facts go along, and nothing is left behind."""
    cache = os.environ.get('TORCHINDUCTOR_CACHE_DIR')
    before = {name: value.clone() for name, value in model.state_dict().items()}
    content = export_package(model, (SIZE, SIZE), FACTS, with_preprocessing=True)
    assert os.environ.get('TORCHINDUCTOR_CACHE_DIR') == cache
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])

    path = tmp_path / 'net.pt2'
    path.write_bytes(content)
    for source in (content, path):
        compiled = AotModel(source)
        assert compiled.facts == FACTS and compiled.with_preprocessing
        assert compiled.output_names == ('scores', 'logits')
        for batch_size in (1, 2, 7):
            images = random_images(7, (SIZE, SIZE))
            comparison = compare(model, compiled, images, 'random', batch_size)
            assert comparison.passes(1e-5) and comparison.same_label == 7


def test_what_cannot_be_compiled(model, monkeypatch):
    model.head = torch.nn.Identity()
    with pytest.raises(ExportError, match='model.head'):
        export_package(model, (SIZE, SIZE), FACTS)
    monkeypatch.setattr(torch, '__version__', '2.5.1+cpu')
    with pytest.raises(ExportError, match='torch >= 2.6'):
        require_torch(PACKAGE_TORCH)


def test_what_is_no_package(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match='none.pt2'):
        AotModel(tmp_path / 'none.pt2')
    path = tmp_path / 'net.pt2'
    path.write_bytes(b'nothing')
    with pytest.raises(ExportError, match='net.pt2'):
        AotModel(path)
    monkeypatch.setattr(torch, '__version__', '2.5.1')
    monkeypatch.delattr(torch._inductor, 'aoti_load_package')
    with pytest.raises(ExportError, match='torch >= 2.6'):
        AotModel(path)
