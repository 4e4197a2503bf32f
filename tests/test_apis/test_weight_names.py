# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import importlib.util

import numpy as np
import pytest
import torch
from mmengine.config import Config
from public_face_nets import iresnet, iresnet_maps

from mmfer.apis.weight_names import (
    convert_apvit_release,
    convert_face_evolve,
    convert_iresnet,
    convert_vit,
    reshape_like,
)
from mmfer.models import APViT, IRNet
from mmfer.models.layers import LANet
from mmfer.registry import MODELS


@pytest.fixture(scope='module')
def official(reference):
    """The authors' keys with fixed weights, and the outputs of their model."""
    spec = importlib.util.spec_from_file_location('official', reference / 'official_weights.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.state_dict(), np.load(reference / 'apvit_official.npz')


@pytest.mark.parametrize('case', ['main', 'baseline'])
def test_released_weights_compute_what_the_authors_model_computes(official, repo_root, case):
    weights, expected = official
    cfg = Config.fromfile(repo_root / 'configs/_base_/models/apvit_ir50-vit-small.py').model
    if case == 'baseline':
        cfg.backbone.app = cfg.backbone.atp = None
    model = MODELS.build(cfg)
    model.eval()
    state, reshaped = reshape_like(convert_apvit_release(weights), model.state_dict())
    model.load_state_dict(state, strict=True)
    assert len(weights) == 389 and len(reshaped) == 1

    image = torch.from_numpy(expected['img'])
    with torch.no_grad():
        logits = model(image)
        (vit,), left = model.backbone.forward_with_indices(image)
    np.testing.assert_allclose(logits, expected[f'{case}/logits'], atol=1e-4)
    np.testing.assert_allclose(vit, expected[f'{case}/vit'], atol=1e-4)
    loss = torch.nn.functional.cross_entropy(logits, torch.from_numpy(expected['label']))
    np.testing.assert_allclose(loss, expected[f'{case}/loss'], atol=1e-4)
    wanted_counts = [int(expected[f'{case}/block{i}_shape'][1]) for i in range(8)]
    assert model.backbone.token_counts() == wanted_counts
    if case == 'main':
        positions = expected['main/APP0_idx'].astype(np.int64)
        np.testing.assert_array_equal(left['app'], positions)
        for block in range(5, 9):  # theirs start at 1, and index the block's input
            kept = expected[f'main/ATP{block}_idx'].astype(np.int64)
            assert (kept[:, 0] == 0).all()
            positions = np.take_along_axis(positions, kept[:, 1:] - 1, axis=1)
            np.testing.assert_array_equal(left[f'layers.{block - 1}'], positions)


def test_released_cnn_computes_the_authors_features(official):
    weights, expected = official
    net = IRNet()
    prefix = 'backbone.cnn.'
    converted = convert_apvit_release(weights)
    net.load_state_dict({k[len(prefix) :]: v for k, v in converted.items() if k.startswith(prefix)})
    with torch.no_grad():
        (features,) = net.eval()(torch.from_numpy(expected['img']))
    # Relative to the largest value: the rounding of convolutions differs between processors.
    scale = np.abs(expected['main/cnn']).max()
    np.testing.assert_allclose(features / scale, expected['main/cnn'] / scale, atol=1e-5)


def face_evolve_state(net: IRNet) -> dict:
    """Weights of an IRNet under face.evoLVe's names, written out one by one."""
    names = {
        'bn1': 'res_layer.0',
        'conv1': 'res_layer.1',
        'act': 'res_layer.2',
        'conv2': 'res_layer.3',
        'bn2': 'res_layer.4',
        'shortcut': 'shortcut_layer',
    }
    first_unit = [0, 3, 7, 21]
    state = {}
    for key, value in net.state_dict().items():
        parts = key.split('.')
        if parts[0] == 'stem':
            state['.'.join(['input_layer', *parts[1:]])] = value
        else:
            unit = first_unit[int(parts[1])] + int(parts[2])
            state['.'.join(['body', str(unit), names[parts[3]], *parts[4:]])] = value
    for key in ('0.weight', '0.bias', '0.running_mean', '0.running_var', '0.num_batches_tracked'):
        state[f'output_layer.{key}'] = torch.zeros(512)
    for key in ('3.weight', '3.bias'):
        state[f'output_layer.{key}'] = torch.zeros(512)
    for key in ('weight', 'bias', 'running_mean', 'running_var', 'num_batches_tracked'):
        state[f'output_layer.4.{key}'] = torch.zeros(512)
    return state


@pytest.mark.parametrize('num_stages', [3, 4])
def test_face_evolve(num_stages):
    source = IRNet(depth=50, num_stages=4, base_channels=2)
    state = face_evolve_state(source)
    assert len(state) == 349  # as many as the real file has
    target = IRNet(depth=50, num_stages=num_stages, base_channels=2)
    target.load_state_dict(convert_face_evolve(state, 50, num_stages), strict=True)
    for key, value in target.state_dict().items():
        assert torch.equal(value, source.state_dict()[key])


def test_unknown_keys_of_face_evolve_are_reported():
    converted = convert_face_evolve({'body.24.res_layer.0.weight': torch.zeros(1), 'fc': None})
    assert set(converted) == {'body.24.res_layer.0.weight', 'fc'}


def test_timm_vit_computes_what_timm_computes():
    import timm

    theirs = timm.create_model(
        'vit_tiny_patch16_224', img_size=32, patch_size=8, depth=3, num_classes=5
    ).eval()
    torch.nn.init.normal_(theirs.pos_embed)
    arch = dict(embed_dims=192, num_layers=3, num_heads=3, feedforward_channels=768)
    ours = APViT(arch=arch, img_size=32, patch_size=8).eval()
    converted = convert_vit(theirs.state_dict())
    missing, unexpected = ours.load_state_dict(converted, strict=False)
    assert not unexpected
    assert missing == ['patch_embed.projection.weight', 'patch_embed.projection.bias']
    ours.patch_embed.projection.load_state_dict(theirs.patch_embed.proj.state_dict())
    x = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(ours(x)[0], theirs.forward_features(x)[:, 0])


@pytest.mark.parametrize('depth', [18, 34, 50, 100])
@torch.no_grad()
def test_converted_iresnet_has_the_same_outputs(depth):
    weights = iresnet(depth, base=2)
    if depth == 50:
        assert len(weights) == 475
    net = IRNet(depth, 4, (0, 1, 2, 3), base_channels=2, unit='iresnet').eval()
    net.load_state_dict(convert_iresnet(weights, 4))
    images = torch.randn(2, 3, 32, 32)
    for ours, theirs in zip(net(images), iresnet_maps(weights, depth, images), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)


def test_later_stages_of_iresnet_are_omitted():
    weights = iresnet(18, base=2)
    net = IRNet(18, 2, base_channels=2, unit='iresnet')
    net.load_state_dict(convert_iresnet(weights, 2))
    converted = convert_iresnet({**weights, 'layer1.0.se.weight': torch.zeros(1)}, 2)
    assert set(converted) - net.state_dict().keys() == {'stages.0.0.se.weight'}


def test_reshape_like_moves_only_dimensions_of_size_one():
    state, notes = reshape_like(
        dict(a=torch.zeros(3, 2, 1, 1), b=torch.zeros(2, 3), c=torch.zeros(4)),
        dict(a=torch.zeros(3, 2), b=torch.zeros(3, 2)),
    )
    assert state['a'].shape == (3, 2) and state['b'].shape == (2, 3)
    assert notes == ['a (3, 2, 1, 1) -> (3, 2)']


def released_lanet(state, prefix, lanet):
    """Add a LANet's weights to a state under the released code's names, as convolutions."""
    names = dict(squeeze='LA_conv1', bn1='bn1', score='LA_conv2', bn2='bn2')
    for key, value in lanet.state_dict().items():
        layer, rest = key.split('.')
        value = value[..., None, None] if value.ndim == 2 else value
        state[f'{prefix}.{names[layer]}.{rest}'] = value


@pytest.mark.parametrize('kind', ['TransFER', 'APViT'])
def test_released_lanets_are_converted(kind):
    """The layout of the released code; weights in it are not public."""
    model = MODELS.build(
        dict(
            type=kind,
            cnn=dict(type='IRNet', depth=18, base_channels=4),
            arch=dict(embed_dims=32, num_layers=1, num_heads=4, feedforward_channels=32),
            img_size=32,
            **(dict(app=dict(keep_num=9, criterion='lanet')) if kind == 'APViT' else {}),
        )
    )
    projection = {
        'weight': torch.randn_like(model.projection.weight)[..., None, None],
        'bias': torch.randn_like(model.projection.bias),
    }
    state, position = {}, torch.randn(1, 17, 32)
    if kind == 'TransFER':
        for index in range(2):
            released_lanet(state, f'attention.las.{index}', LANet(16))
        state.update({f'convert.proj.{name}': value for name, value in projection.items()})
        state['vit.pos_embed'] = position
    else:
        released_lanet(state, 'vit.attn_f', LANet(32))
        state.update({f'vit.projs.0.{name}': value for name, value in projection.items()})
        state['vit.cls_pos_embed'], state['vit.patch_pos_embed'] = position[:, :1], position[:, 1:]
    converted = convert_apvit_release(state)
    assert all(name.startswith('backbone.') for name in converted)
    converted = {name.removeprefix('backbone.'): value for name, value in converted.items()}
    converted, _ = reshape_like(converted, model.state_dict())
    missing, unexpected = model.load_state_dict(converted, strict=False)
    assert not unexpected
    assert not [name for name in missing if name.startswith(('local', 'app', 'proj', 'pos'))]
    assert torch.equal(model.pos_embed, position)
    assert torch.equal(model.projection.weight, projection['weight'][..., 0, 0])
    first, name = model.app and model.app.lanet, 'vit.attn_f'
    if kind == 'TransFER':
        first, name = model.local.branches[0], 'attention.las.0'
    assert torch.equal(first.squeeze.weight, state[f'{name}.LA_conv1.weight'][..., 0, 0])
