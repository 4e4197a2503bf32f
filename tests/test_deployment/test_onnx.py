# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import copy
import importlib.util

import numpy as np
import pytest
import torch
from mmengine.registry import DefaultScope
from task_models import SIZE, task_model
from torch import nn

from mmfer.deployment.compare import compare, exported_outputs, torch_outputs
from mmfer.deployment.exported import OnnxModel, require_packages
from mmfer.deployment.load import random_images
from mmfer.deployment.model import ExportError, network_inputs
from mmfer.deployment.onnx import export_onnx, quantize_int8
from mmfer.registry import MODELS

onnx = pytest.importorskip('onnx', reason='onnx is not installed')
pytest.importorskip('onnxruntime', reason='onnxruntime is not installed')
pytest.importorskip('onnxscript', reason='onnxscript is not installed')

# Three different means, so that the test detects swapped channels.
MEAN, STD = [120.0, 110.0, 100.0], [60.0, 61.0, 62.0]
FACTS = dict(
    classes=['joy', 'Überraschung'],
    precision='float32',
    preprocessing=dict(mean=MEAN, std=STD, order='RGB', inside=False),
)


def build(settings):
    with DefaultScope.overwrite_default_scope('mmfer'):
        normalize = dict(mean=MEAN, std=STD, to_rgb=True)
        return MODELS.build(dict(settings, data_preprocessor=normalize)).eval()


@pytest.fixture
def model():
    return build(task_model('expression'))


@pytest.fixture(scope='module')
def apvit():
    """An APViT that keeps 8 patches."""
    backbone = dict(
        type='APViT',
        arch=dict(embed_dims=128, num_layers=1, num_heads=2, feedforward_channels=512),
        img_size=SIZE,
        patch_size=8,
        app=dict(keep_num=8),
    )
    head = dict(type='LinearClsHead', num_classes=7, in_channels=128)
    torch.manual_seed(0)
    model = build(dict(type='ImageClassifier', backbone=backbone, head=head))
    torch.nn.init.normal_(model.backbone.pos_embed)
    return model


@pytest.fixture(scope='module')
def content(apvit):
    return export_onnx(apvit, (SIZE, SIZE), FACTS)


@pytest.fixture(scope='module')
def quantized(content):
    return quantize_int8(content)


def test_images_are_normalized_in_the_graph(model):
    """The input is uint8 images as OpenCV reads them."""
    exported = OnnxModel(export_onnx(model, (SIZE, SIZE), FACTS, with_preprocessing=True))
    assert exported.with_preprocessing
    assert exported.input_name == 'images'
    assert exported.input_shape == ('batch', SIZE, SIZE, 3)
    images = random_images(3, (SIZE, SIZE))
    expected = torch_outputs(model, images)
    given = exported_outputs(exported, images)
    assert given.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(given[name], value, rtol=1e-4, atol=1e-5)
    swapped = exported_outputs(exported, images.flip(1))
    assert (swapped['logits'] - given['logits']).abs().max() > 1e-3


def test_images_are_normalized_before_the_graph(apvit, content):
    """Normalization by the metadata equals the model's own, exactly."""
    images, exported = random_images(3, (SIZE, SIZE)), OnnxModel(content)
    assert torch.equal(network_inputs(exported, images), network_inputs(apvit, images))
    assert compare(apvit, exported, images, 'random', 3).passes(1e-5)


@pytest.mark.parametrize(
    'options',
    [dict(fusion='map'), dict(num_layers=2, norm='pre', num_knowledge=3, canonical_mask=False)],
    ids=str,
)
def test_adapters_with_other_options(options):
    settings = task_model('recognition', adapter=True)
    settings['neck'].update(options)
    model = build(settings)
    exported = OnnxModel(export_onnx(model, (SIZE, SIZE), FACTS))
    assert exported.output_names == ('scores', 'logits', 'feature')
    assert compare(model, exported, random_images(3, (SIZE, SIZE)), 'random', 3).passes(1e-4)


def test_facts_and_bytes(apvit, content, repo_root):
    """The same model gives the same bytes, without facts about this machine."""
    before = {name: value.clone() for name, value in apvit.state_dict().items()}
    assert content == export_onnx(copy.deepcopy(apvit), (SIZE, SIZE), FACTS)
    assert OnnxModel(content).facts == FACTS
    assert str(repo_root).encode() not in content and b'site-packages' not in content
    onnx.checker.check_model(onnx.load_from_string(content), full_check=True)
    for name, value in apvit.state_dict().items():
        assert torch.equal(value, before[name])


def test_equal_patches(apvit, content):
    """In an image of one color, any patch may be kept: ONNX keeps the first, PyTorch others.

    The color is the mean, so the projection of all patches is exactly its bias in every kernel.
    """
    images = random_images(3, (SIZE, SIZE))
    mean = torch.tensor(MEAN[::-1], dtype=torch.uint8).view(3, 1, 1)
    images[1] = mean
    exported = OnnxModel(content)
    comparison = compare(apvit, exported, images, 'random', 3)
    assert comparison.open_choices == 1
    assert comparison.passes(1e-5), comparison
    # ONNX's selection by hand: an image of the first 8 patches, and no pooling.
    by_hand = copy.deepcopy(apvit)
    by_hand.backbone.pos_embed = nn.Parameter(by_hand.backbone.pos_embed[:, :9])
    by_hand.backbone.app, by_hand.backbone.grid = None, (1, 8)
    first = torch_outputs(by_hand, mean.expand(1, 3, 8, 64))
    given = exported_outputs(exported, images)
    torch.testing.assert_close(given['logits'][1:2], first['logits'], rtol=1e-4, atol=1e-5)


def test_a_batch_size_that_became_a_constant_is_an_error(model):
    class OneBatch(nn.Module):
        def forward(self, feats):
            return (feats[-1].reshape(len(feats[-1]), -1, 1, 1).mean((2, 3)),)

    model.neck = nn.Sequential(model.neck, OneBatch())
    with pytest.raises(ExportError, match=r'batch size 2 .*len\(x\)'):
        export_onnx(model, (SIZE, SIZE), FACTS)


def test_an_unknown_head(model):
    model.head = MODELS.build(dict(type='MultiLabelLinearClsHead', num_classes=3, in_channels=16))
    with pytest.raises(ExportError, match='model.head'):
        export_onnx(model, (SIZE, SIZE), FACTS)


def test_files_that_are_no_models(tmp_path, content):
    with pytest.raises(FileNotFoundError, match=r'none\.onnx'):
        OnnxModel(tmp_path / 'none.onnx')
    (tmp_path / 'text.onnx').write_text('no model')
    with pytest.raises(ExportError, match=r'text\.onnx'):
        OnnxModel(tmp_path / 'text.onnx')
    foreign = onnx.load_from_string(content)
    foreign.ClearField('metadata_props')
    foreign.graph.input.add().CopyFrom(foreign.graph.input[0])
    foreign.graph.input[1].name = 'second'
    onnx.helper.set_model_props(foreign, dict(author='somebody'))
    with pytest.raises(ExportError, match='not exported by mmfer.*preprocessing'):
        OnnxModel(foreign.SerializeToString())


def test_a_mode_that_exported_models_lack(content):
    with pytest.raises(ValueError, match="mode .* 'loss'"):
        OnnxModel(content)(torch.zeros(1, 3, SIZE, SIZE), mode='loss')


def test_missing_packages_are_named():
    with pytest.raises(ExportError, match='pip install onnx onnxruntime onnxscript'):
        require_packages('a_package_that_is_not_there')


def test_the_error_of_an_older_torch_names_the_version(model, monkeypatch):
    """Older versions lack these functions; importing the module must still work."""
    monkeypatch.delattr(torch.onnx, 'ONNXProgram')
    monkeypatch.delattr(torch.onnx, 'OnnxExporterError')
    monkeypatch.setattr(torch, '__version__', '2.4.1')
    spec = importlib.util.find_spec('mmfer.deployment.onnx')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with pytest.raises(ExportError, match='torch >= 2.10'):
        module.export_onnx(model, (SIZE, SIZE), FACTS)


def test_linear_layers_in_8_bits(apvit, content, quantized):
    linear = sum(
        part.weight.numel() for part in apvit.modules() if isinstance(part, torch.nn.Linear)
    )
    linear -= 2 * 128**2  # keys and values of the last block are computed per head, in float32
    saved = len(content) - len(quantized)
    assert saved == pytest.approx(3 * linear, rel=0.1)  # 1 byte instead of 4
    kinds = {node.op_type for node in onnx.load_from_string(quantized).graph.node}
    assert 'MatMulInteger' in kinds and 'ConvInteger' not in kinds

    before, after = OnnxModel(content), OnnxModel(quantized)
    assert after.facts == dict(FACTS, precision='int8')
    assert (after.input_shape, after.output_shapes) == (before.input_shape, before.output_shapes)
    for batch in (1, 3):
        images = random_images(batch, (SIZE, SIZE))
        expected = exported_outputs(before, images)['logits']
        given = exported_outputs(after, images)['logits']
        assert not torch.equal(given, expected)
        torch.testing.assert_close(given, expected, rtol=0, atol=0.05 * expected.abs().max().item())


def linear_weights(content):
    """Return the int8 weights (inputs, outputs) of every linear layer."""
    graph = onnx.load_from_string(content).graph
    stored = {value.name: onnx.numpy_helper.to_array(value) for value in graph.initializer}
    return [stored[node.input[1]] for node in graph.node if node.op_type == 'MatMulInteger']


def multiply_without_vnni(activations, weights):
    """``vpmaddubsw`` adds the uint8-int8 products of two neighbors in a saturating int16."""
    products = activations.astype(np.int64)[:, :, np.newaxis] * weights.astype(np.int64)
    pairs = products[:, 0::2] + products[:, 1::2]
    return pairs.clip(-(2**15), 2**15 - 1).sum(axis=1)


def test_sums_do_not_saturate_without_vnni(quantized):
    """Compute AVX2's kernel by hand on the largest quantized activations."""
    weights = linear_weights(quantized)
    assert len(weights) == 5
    for weight in weights:
        assert weight.dtype == np.int8
        assert abs(weight.astype(int)).max(axis=0).min() >= 60  # every channel uses the range
        largest = np.stack([np.full(len(weight), 255), np.random.randint(0, 256, len(weight))])
        exact = largest @ weight.astype(np.int64)
        assert np.array_equal(multiply_without_vnni(largest, weight), exact)
        neighbors = abs(weight[0::2].astype(int)) + abs(weight[1::2].astype(int))
        assert 255 * neighbors.max() <= 2**15 - 1  # holds for any activations
