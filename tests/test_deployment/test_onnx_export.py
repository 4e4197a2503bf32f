# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import copy
import importlib.util

import pytest
import torch
from task_models import SIZE, task_model
from torch import nn

from mmfer.deployment.answers import exported_answers, torch_answers
from mmfer.deployment.compare import compare
from mmfer.deployment.errors import ExportError, require_packages
from mmfer.deployment.onnx_export import export_onnx
from mmfer.deployment.onnx_model import OnnxModel
from mmfer.deployment.outputs import compute_outputs
from mmfer.deployment.pictures import random_pictures
from mmfer.registry import MODELS

onnx = pytest.importorskip('onnx', reason='onnx is not installed')
pytest.importorskip('onnxruntime', reason='onnxruntime is not installed')
pytest.importorskip('onnxscript', reason='onnxscript is not installed')

NORMALISE = dict(mean=[120.0, 110.0, 100.0], std=[60.0, 61.0, 62.0], to_rgb=True)


@pytest.fixture
def model():
    settings = dict(task_model('expression'), data_preprocessor=NORMALISE)
    return MODELS.build(settings).eval()


def test_pictures_are_normalised_in_the_graph(model):
    """uint8 pictures as OpenCV reads them; three means, so a swapped channel would be seen."""
    content = export_onnx(model, (SIZE, SIZE), with_preprocessing=True)
    exported = OnnxModel(content)
    assert exported.with_preprocessing
    assert exported.input_name == 'pictures'
    assert exported.input_shape == ('batch', SIZE, SIZE, 3)
    pictures = random_pictures(3, (SIZE, SIZE))
    expected = torch_answers(model, pictures)
    given = exported(pictures.permute(0, 2, 3, 1).numpy())
    assert exported_answers(exported, model, pictures).keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(torch.from_numpy(given[name]), value, rtol=1e-4, atol=1e-5)
    swapped = exported(pictures.flip(1).permute(0, 2, 3, 1).numpy())
    assert abs(swapped['logits'] - given['logits']).max() > 1e-3


def test_facts_and_bytes(model, repo_root):
    """The same model gives the same bytes, and they say nothing of this machine."""
    facts = dict(classes=['joy', 'Überraschung'], input_size=[SIZE, SIZE])
    before = {name: value.clone() for name, value in model.state_dict().items()}
    first = export_onnx(model, (SIZE, SIZE), facts)
    assert first == export_onnx(copy.deepcopy(model), (SIZE, SIZE), facts)
    assert OnnxModel(first).facts == facts
    assert str(repo_root).encode() not in first and b'site-packages' not in first
    onnx.checker.check_model(onnx.load_from_string(first), full_check=True)
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])


def test_equal_patches():
    """Of a black picture any patch may be kept: ONNX takes the first, PyTorch others."""
    backbone = dict(
        type='APViT',
        arch=dict(embed_dims=16, num_layers=1, num_heads=2, feedforward_channels=16),
        img_size=SIZE,
        patch_size=8,
        app=dict(keep_num=5),
    )
    head = dict(type='LinearClsHead', num_classes=7, in_channels=16)
    model = MODELS.build(dict(type='ImageClassifier', backbone=backbone, head=head)).eval()
    torch.nn.init.normal_(model.backbone.pos_embed)
    pictures = random_pictures(3, (SIZE, SIZE))
    pictures[1] = 0
    exported = OnnxModel(export_onnx(model, (SIZE, SIZE)))
    comparison = compare(model, exported, pictures, 'random', 3)
    assert comparison.open_choices == 1
    assert comparison.passes(1e-5), comparison
    # ONNX's choice, by hand
    positions = model.backbone.pos_embed
    model.backbone.pos_embed = torch.nn.Parameter(positions[:, :6])
    model.backbone.app, model.backbone.grid = None, (1, 5)
    with torch.no_grad():
        first = compute_outputs(model.head, model.extract_feat(torch.zeros(1, 3, 8, 40)))
    given = exported_answers(exported, model, pictures)
    torch.testing.assert_close(given['logits'][1:2], first['logits'], rtol=1e-4, atol=1e-5)


def test_a_batch_size_that_became_a_constant_is_an_error(model):
    class OneBatch(nn.Module):
        def forward(self, feats):
            return (feats[-1].reshape(len(feats[-1]), -1, 1, 1).mean((2, 3)),)

    model.neck = nn.Sequential(model.neck, OneBatch())
    with pytest.raises(ExportError, match=r'batch size 2 .*for a constant: .*len\(x\)'):
        export_onnx(model, (SIZE, SIZE))


def test_a_head_that_is_not_known(model):
    model.head = MODELS.build(dict(type='MultiLabelLinearClsHead', num_classes=3, in_channels=16))
    with pytest.raises(ExportError, match='not known what a MultiLabelLinearClsHead'):
        export_onnx(model, (SIZE, SIZE))


def test_files_that_are_no_models(tmp_path):
    with pytest.raises(FileNotFoundError, match='no exported model'):
        OnnxModel(tmp_path / 'none.onnx')
    (tmp_path / 'text.onnx').write_text('no model')
    with pytest.raises(ExportError, match=r'cannot read .*text\.onnx'):
        OnnxModel(tmp_path / 'text.onnx')


def test_missing_packages_are_named():
    with pytest.raises(ExportError, match='pip install onnx onnxruntime onnxscript'):
        require_packages('a_package_that_is_not_there')


def test_an_older_torch_is_told_what_is_needed(model, monkeypatch):
    """It has none of these; what uses the module for other things must still import it."""
    monkeypatch.delattr(torch.onnx, 'ONNXProgram')
    monkeypatch.delattr(torch.onnx, 'OnnxExporterError')
    monkeypatch.setattr(torch, '__version__', '2.4.1')
    spec = importlib.util.find_spec('mmfer.deployment.onnx_export')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with pytest.raises(ExportError, match='needs torch >= 2.10, found 2.4.1'):
        module.export_onnx(model, (SIZE, SIZE))
