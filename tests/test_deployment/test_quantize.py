# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from task_models import SIZE

from mmfer.deployment.answers import exported_answers
from mmfer.deployment.onnx_export import export_onnx
from mmfer.deployment.onnx_model import OnnxModel
from mmfer.deployment.pictures import random_pictures
from mmfer.deployment.quantize import quantize_int8
from mmfer.registry import MODELS

onnx = pytest.importorskip('onnx', reason='onnx is not installed')
pytest.importorskip('onnxruntime', reason='onnxruntime is not installed')
pytest.importorskip('onnxscript', reason='onnxscript is not installed')


def test_linear_layers_in_8_bits():
    backbone = dict(
        type='APViT',
        arch=dict(embed_dims=128, num_layers=1, num_heads=2, feedforward_channels=512),
        img_size=SIZE,
        patch_size=8,
        app=dict(keep_num=8),
    )
    head = dict(type='LinearClsHead', num_classes=7, in_channels=128)
    model = MODELS.build(dict(type='ImageClassifier', backbone=backbone, head=head)).eval()
    torch.nn.init.normal_(model.backbone.pos_embed)
    content = export_onnx(model, (SIZE, SIZE), dict(precision='float32', classes=['a', 'é']))
    quantized = quantize_int8(content)

    linear = sum(
        part.weight.numel() for part in model.modules() if isinstance(part, torch.nn.Linear)
    )
    linear -= 2 * 128**2  # keys and values of the last block: products by head, in float32
    saved = len(content) - len(quantized)
    assert saved == pytest.approx(3 * linear, rel=0.1)  # bytes: 4 became 1
    kinds = {node.op_type for node in onnx.load_from_string(quantized).graph.node}
    assert 'MatMulInteger' in kinds and 'ConvInteger' not in kinds

    before, after = OnnxModel(content), OnnxModel(quantized)
    assert after.facts == dict(precision='int8', classes=['a', 'é'])
    assert (after.input_shape, after.output_shapes) == (before.input_shape, before.output_shapes)
    for batch in (1, 3):
        pictures = random_pictures(batch, (SIZE, SIZE))
        expected = exported_answers(before, model, pictures)['logits']
        given = exported_answers(after, model, pictures)['logits']
        assert not torch.equal(given, expected)
        torch.testing.assert_close(given, expected, rtol=0, atol=0.05 * expected.abs().max().item())
