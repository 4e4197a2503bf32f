# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from public_face_nets import (
    LAYOUTS,
    NARROW,
    mobilefacenet,
    mobilefacenet_maps,
    mobilefacenet_onnx,
)

from mmfer.apis.mobilefacenet_onnx import read_mobilefacenet_onnx
from mmfer.models import MobileFaceNet

onnx = pytest.importorskip('onnx')
ALL = (0, 1, 2, 3)


@pytest.mark.parametrize('folded', [True, False])
@pytest.mark.parametrize('layout', LAYOUTS)
@torch.no_grad()
def test_a_network_from_onnx_has_the_same_outputs(tmp_path, layout, folded):
    weights = mobilefacenet(NARROW, layout)
    model = mobilefacenet_onnx(weights, NARROW, layout, folded)
    onnx.checker.check_model(model, full_check=True)
    path = str(tmp_path / 'net.onnx')
    onnx.save(model, path)
    found, arch, was_folded = read_mobilefacenet_onnx(path, 4)
    assert arch == NARROW and was_folded == folded
    net = MobileFaceNet(4, ALL, arch, norm_eval=True).eval()
    missing, unexpected = net.load_state_dict(found, strict=False)
    assert not unexpected and all(name.endswith('num_batches_tracked') for name in missing)
    images = torch.randn(2, 3, 32, 32)
    maps = mobilefacenet_maps(weights, NARROW, layout, images)
    for ours, theirs in zip(net(images), maps, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)
    # Also in training mode, since the statistics are kept.
    for ours, theirs in zip(net.train()(images), maps, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)


def test_the_network_of_insightface_and_its_first_stages(tmp_path):
    arch = MobileFaceNet.ARCHS['mbf']
    weights = mobilefacenet(arch, 'arcface_torch')
    onnx.save(mobilefacenet_onnx(weights, arch, 'arcface_torch'), tmp_path / 'net.onnx')
    found, told, _ = read_mobilefacenet_onnx(str(tmp_path / 'net.onnx'), 2)
    assert told == arch
    wanted = {k for k in MobileFaceNet(arch='mbf').state_dict() if 'num_batches' not in k}
    assert set(found) == wanted


def test_equal_weights_may_be_an_identity(tmp_path):
    """Exporters store equal tensors once, such as untrained slopes."""
    model = mobilefacenet_onnx(mobilefacenet(NARROW, 'port'), NARROW, 'port')
    slope = node_of(model, 'PRelu').input[1]
    model.graph.node.insert(0, onnx.helper.make_node('Identity', [slope], ['copy']))
    node_of(model, 'PRelu').input[1] = 'copy'
    weight = next(tensor for tensor in model.graph.initializer if tensor.name == slope)
    onnx.save(model, tmp_path / 'net.onnx')
    found, _, _ = read_mobilefacenet_onnx(str(tmp_path / 'net.onnx'), 1)
    expected = torch.from_numpy(onnx.numpy_helper.to_array(weight).copy()).flatten()
    assert torch.equal(found['stem.0.activate.weight'], expected)


def node_of(model, kind: str, number: int = 0):
    return [node for node in model.graph.node if node.op_type == kind][number]


def set_attribute(node, name: str, value) -> None:
    kept = [attribute for attribute in node.attribute if attribute.name != name]
    del node.attribute[:]
    node.attribute.extend([*kept, onnx.helper.make_attribute(name, value)])


def spoil(model, how: str) -> None:
    nodes = model.graph.node
    if how == 'stride':
        set_attribute(node_of(model, 'Conv', 1), 'strides', [2, 2])
    elif how == 'padding':
        set_attribute(node_of(model, 'Conv', 6), 'auto_pad', 'SAME_LOWER')
    elif how == 'groups':
        set_attribute(node_of(model, 'Conv', 3), 'group', 1)
    elif how == 'activation':
        node_of(model, 'PRelu', 3).op_type = 'Sub'
    elif how == 'sum':
        node_of(model, 'Add', 1).input[0] = node_of(model, 'Add').input[0]
    elif how == 'bias':
        del node_of(model, 'Conv', 2).input[2]
    elif how == 'preprocessing':
        node_of(model, 'Conv').input[0] = 'minus'
        nodes.insert(0, onnx.helper.make_node('Neg', ['input.1'], ['minus'], 'Neg_0'))
    elif how == 'end':
        last = [node.op_type for node in nodes].index('Flatten') - 2
        del nodes[last:]  # the last PReLU, and the embedding
    elif how == 'inputs':
        model.graph.input.append(model.graph.input[0])
        model.graph.input[1].name = 'other'
    elif how == 'another file':
        tensor = model.graph.initializer[0]
        tensor.data_location = onnx.TensorProto.EXTERNAL
        tensor.external_data.add(key='location', value='../secret')


@pytest.mark.parametrize(
    ('how', 'message'),
    [
        ('stride', r'stem\.1.*stride 1.*strides \[2, 2\]'),
        ('padding', r'stages\.0\.1\.depthwise.*auto_pad'),
        ('groups', r'stages\.0\.0\.depthwise.*groups 12.*group 1'),
        ('activation', r'the PReLU of stages\.0\.0\.depthwise.*PRelu.*it has Sub'),
        ('sum', r'the sum after stages\.0\.2\.project.*Add'),
        ('bias', r'stages\.0\.0\.expand.*neither bias nor'),
        ('preprocessing', r'stem\.0.*input\.1.*it has Neg Neg_0'),
        ('end', r'the PReLU of stages\.3\.0.*it has nothing'),
        ('inputs', 'other.*one input, the image'),
        ('another file', 'stores 1000 in another file'),
    ],
)
def test_other_graphs_are_an_error(tmp_path, how, message):
    model = mobilefacenet_onnx(mobilefacenet(NARROW, 'port'), NARROW, 'port')
    spoil(model, how)
    (tmp_path / 'net.onnx').write_bytes(model.SerializeToString())
    with pytest.raises(ValueError, match=rf'net\.onnx.*{message}'):
        read_mobilefacenet_onnx(str(tmp_path / 'net.onnx'), 4)


@pytest.mark.parametrize('content', [b'', b'not a protocol buffer', b'PK\x03\x04' * 20])
def test_other_files_are_an_error(tmp_path, content):
    (tmp_path / 'net.onnx').write_bytes(content)
    with pytest.raises(ValueError, match=r'net\.onnx'):
        read_mobilefacenet_onnx(str(tmp_path / 'net.onnx'), 2)
    with pytest.raises(FileNotFoundError):
        read_mobilefacenet_onnx(str(tmp_path / 'absent.onnx'), 2)
