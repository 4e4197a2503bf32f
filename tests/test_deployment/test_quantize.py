# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
import torch
from mmengine.registry import DefaultScope
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

FACTS = dict(precision='float32', classes=['a', 'é'])


@pytest.fixture(scope='module')
def model():
    backbone = dict(
        type='APViT',
        arch=dict(embed_dims=128, num_layers=1, num_heads=2, feedforward_channels=512),
        img_size=SIZE,
        patch_size=8,
        app=dict(keep_num=8),
    )
    head = dict(type='LinearClsHead', num_classes=7, in_channels=128)
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope('mmfer'):
        model = MODELS.build(dict(type='ImageClassifier', backbone=backbone, head=head)).eval()
    torch.nn.init.normal_(model.backbone.pos_embed)
    return model


@pytest.fixture(scope='module')
def content(model):
    return export_onnx(model, (SIZE, SIZE), FACTS)


@pytest.fixture(scope='module')
def quantized(content):
    return quantize_int8(content)


def test_linear_layers_in_8_bits(model, content, quantized):
    linear = sum(
        part.weight.numel() for part in model.modules() if isinstance(part, torch.nn.Linear)
    )
    linear -= 2 * 128**2  # keys and values of the last block: products by head, in float32
    saved = len(content) - len(quantized)
    assert saved == pytest.approx(3 * linear, rel=0.1)  # bytes: 4 became 1
    kinds = {node.op_type for node in onnx.load_from_string(quantized).graph.node}
    assert 'MatMulInteger' in kinds and 'ConvInteger' not in kinds

    before, after = OnnxModel(content), OnnxModel(quantized)
    assert after.facts == dict(FACTS, precision='int8')
    assert (after.input_shape, after.output_shapes) == (before.input_shape, before.output_shapes)
    for batch in (1, 3):
        pictures = random_pictures(batch, (SIZE, SIZE))
        expected = exported_answers(before, model, pictures)['logits']
        given = exported_answers(after, model, pictures)['logits']
        assert not torch.equal(given, expected)
        torch.testing.assert_close(given, expected, rtol=0, atol=0.05 * expected.abs().max().item())


def linear_weights(content):
    """The int8 weights (inputs, outputs) of every linear layer."""
    graph = onnx.load_from_string(content).graph
    stored = {value.name: onnx.numpy_helper.to_array(value) for value in graph.initializer}
    return [stored[node.input[1]] for node in graph.node if node.op_type == 'MatMulInteger']


def multiply_without_vnni(activations, weights):
    """``vpmaddubsw``: two neighbors' products of uint8 and int8 are added in a saturated int16."""
    products = activations.astype(np.int64)[:, :, np.newaxis] * weights.astype(np.int64)
    pairs = products[:, 0::2] + products[:, 1::2]
    return pairs.clip(-(2**15), 2**15 - 1).sum(axis=1)


def test_sums_do_not_saturate_without_vnni(quantized):
    """AVX2's kernel, by hand, on the largest activations that quantization gives."""
    weights = linear_weights(quantized)
    assert len(weights) == 5
    for weight in weights:
        assert weight.dtype == np.int8
        assert abs(weight.astype(int)).max(axis=0).min() >= 60  # the range is used, by channel
        largest = np.stack([np.full(len(weight), 255), np.random.randint(0, 256, len(weight))])
        exact = largest @ weight.astype(np.int64)
        assert np.array_equal(multiply_without_vnni(largest, weight), exact)
        neighbors = abs(weight[0::2].astype(int)) + abs(weight[1::2].astype(int))
        assert 255 * neighbors.max() <= 2**15 - 1  # and so whatever the activations are
