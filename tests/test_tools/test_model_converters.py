# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import sys

import pytest
import timm
import torch
from public_face_nets import (
    LAYOUTS,
    NARROW,
    iresnet,
    iresnet_maps,
    mobilefacenet,
    mobilefacenet_maps,
    mobilefacenet_onnx,
)
from shipped_configs import read_config
from tool_calls import run_tool
from torch import nn

from mmfer.models import APViT, IRNet, MobileFaceNet
from mmfer.registry import MODELS


def convert(name, *arguments):
    return run_tool(f'model_converters/{name}.py', *arguments)


@pytest.fixture
def official(reference):
    """Fixed weights with the names of the released APViT."""
    sys.path.insert(0, str(reference))
    try:
        from official_weights import state_dict
    finally:
        sys.path.remove(str(reference))
    return state_dict()


def test_released_apvit(official, tmp_path):
    source, target = tmp_path / 'official.pth', tmp_path / 'converted.pth'
    torch.save(dict(state_dict=official, meta={}), source)
    done = convert('apvit_to_mmfer', source, target)
    assert done.returncode == 0, done.stderr
    assert '388 weights match (100.0% of the model), 0 are missing, 0 unexpected' in done.stdout
    assert 'backbone.projection.weight (768, 256, 1, 1) -> (768, 256)' in done.stdout
    saved = torch.load(target, weights_only=True)
    assert saved['meta']['dataset_meta']['classes'][3] == 'Sadness'
    assert len(saved['state_dict']) == 388

    # The other converters reject the file.
    for name in ('face_evolve_to_mmfer', 'timm_vit_to_mmfer'):
        done = convert(name, source, tmp_path / 'wrong.pth')
        assert done.returncode == 1
        assert 'does not contain the weights' in done.stderr
        assert 'in the checkpoint only' in done.stderr
    assert not (tmp_path / 'wrong.pth').exists()


def test_transfer_of_the_released_code(official, tmp_path):
    state = {k.replace('vit.projs.0.', 'convert.proj.'): v for k, v in official.items()}
    halves = [state.pop(f'vit.{half}_pos_embed') for half in ('cls', 'patch')]
    state['vit.pos_embed'] = torch.cat(halves, dim=1)
    for branch in range(2):
        for layer, shape in (('LA_conv1', (16, 256, 1, 1)), ('LA_conv2', (1, 16, 1, 1))):
            norm = nn.BatchNorm2d(shape[0]).state_dict()
            name = f'attention.las.{branch}.{layer}'
            state[f'{name}.weight'], state[f'{name}.bias'] = torch.rand(shape), torch.rand(shape[0])
            state.update({f'{name}.{k}'.replace('LA_conv', 'bn'): v for k, v in norm.items()})
    source, target = tmp_path / 'transfer.pth', tmp_path / 'converted.pth'
    torch.save(state, source)
    done = convert('apvit_to_mmfer', source, target)
    assert done.returncode == 0, done.stderr
    assert '(100.0% of the model), 0 are missing, 0 unexpected' in done.stdout
    saved = torch.load(target, weights_only=True)
    assert saved['meta']['source'] == 'TransFER release'


def test_face_evolve(tmp_path):
    net = IRNet(depth=50, num_stages=4)
    units = [(s, u) for s, count in enumerate(IRNet.UNITS[50]) for u in range(count)]
    names = dict(bn1='0', conv1='1', act='2', conv2='3', bn2='4')
    state = {}
    for key, value in net.state_dict().items():
        first, *rest = key.split('.')
        if first == 'stem':
            state['.'.join(('input_layer', *rest))] = value
            continue
        number = units.index((int(rest[0]), int(rest[1])))
        inner = (
            ('shortcut_layer', *rest[3:])
            if rest[2] == 'shortcut'
            else ('res_layer', names[rest[2]], *rest[3:])
        )
        state['.'.join(('body', str(number), *inner))] = value
    state['output_layer.0.weight'] = torch.zeros(512)
    # In the format of the real file: that of torch < 1.6, not a zip file.
    torch.save(state, tmp_path / 'ir50.pth', _use_new_zipfile_serialization=False)
    done = convert('face_evolve_to_mmfer', tmp_path / 'ir50.pth', tmp_path / 'out.pth')
    assert done.returncode == 0, done.stderr
    saved = torch.load(tmp_path / 'out.pth', weights_only=True)['state_dict']
    assert all(torch.equal(value, net.state_dict()[key]) for key, value in saved.items())
    assert not any(key.startswith('stages.3') for key in saved)

    del state['body.5.res_layer.1.weight']
    torch.save(state, tmp_path / 'broken.pth')
    done = convert('face_evolve_to_mmfer', tmp_path / 'broken.pth', tmp_path / 'no.pth')
    assert done.returncode == 1 and 'stages.1.2.conv1.weight' in done.stderr


def test_timm_vit(tmp_path):
    model = APViT(arch='deit-tiny', img_size=224)
    names = {'ln1': 'norm1', 'ln2': 'norm2', 'ffn.layers.0.0': 'mlp.fc1', 'ffn.layers.1': 'mlp.fc2'}
    state = {'head.weight': torch.zeros(5, 192), 'patch_embed.proj.weight': torch.zeros(192, 768)}
    for key, value in model.state_dict().items():
        if key.startswith('patch_embed'):
            continue
        if key.startswith('layers.'):
            _, number, rest = key.split('.', 2)
            for ours, theirs in names.items():
                rest = rest.replace(f'{ours}.', f'{theirs}.')
            key = f'blocks.{number}.{rest}'
        state[key.replace('ln1.', 'norm.') if key.startswith('ln1') else key] = value
    torch.save(dict(model=state), tmp_path / 'deit.pth')
    done = convert(
        'timm_vit_to_mmfer', tmp_path / 'deit.pth', tmp_path / 'out.pth', '--arch', 'deit-tiny'
    )
    assert done.returncode == 0, done.stdout + done.stderr
    saved = torch.load(tmp_path / 'out.pth', weights_only=True)['state_dict']
    assert all(torch.equal(value, model.state_dict()[key]) for key, value in saved.items())


def made_up(model):
    """Return a model whose weights are all random, including biases and embeddings."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return model.eval()


def deit_of_facebook():
    """DeiT-Tiny in the layout of ``deit_tiny_patch16_224-a1311bcf.pth``, and its outputs."""
    model = made_up(timm.create_model('deit_tiny_patch16_224'))
    return dict(model=model.state_dict()), lambda x: model.forward_features(x)[:, 0]


def deit_of_mmpretrain():
    """The same in the layout of ``deit-tiny_pt-4xb256_in1k_20220218-13b382a0.pth``."""
    backbone = dict(type='VisionTransformer', arch='deit-tiny', img_size=224, patch_size=16)
    head = dict(type='VisionTransformerClsHead', num_classes=1000, in_channels=192)
    model = made_up(MODELS.build(dict(type='ImageClassifier', backbone=backbone, head=head)))
    return dict(meta={}, state_dict=model.state_dict()), lambda x: model.backbone(x)[0]


@pytest.mark.parametrize('deit', [deit_of_facebook, deit_of_mmpretrain])
def test_deit_has_the_same_outputs(tmp_path, deit):
    file, expected = deit()
    torch.save(file, tmp_path / 'deit.pth')
    words = ('--arch', 'deit-tiny', '--patch-embed')
    done = convert('timm_vit_to_mmfer', tmp_path / 'deit.pth', tmp_path / 'out.pth', *words)
    assert done.returncode == 0, done.stdout + done.stderr
    assert '150 weights match (100.0% of the model)' in done.stdout
    # Settings of the config for image patches; the file must provide every weight.
    backbone = read_config('deit-tiny_1xb128-40e_rafdb-224px').model.backbone
    backbone.init_cfg.checkpoint = str(tmp_path / 'out.pth')
    ours = MODELS.build(backbone).eval()
    ours.init_weights()
    images = torch.randn(1, 3, 224, 224)
    with torch.no_grad():
        torch.testing.assert_close(ours(images)[0], expected(images), rtol=1e-4, atol=1e-4)


def test_deit_on_a_cnn_has_the_same_outputs(tmp_path):
    theirs = made_up(timm.create_model('deit_tiny_patch16_224'))
    torch.save(dict(model=theirs.state_dict()), tmp_path / 'deit.pth')
    words = ('--arch', 'deit-tiny', '--patch-embed')
    convert('timm_vit_to_mmfer', tmp_path / 'deit.pth', tmp_path / 'out.pth', *words)
    backbone = read_config('hybrid-deit-tiny_ir50_1xb128-40e_rafdb-112px').model.backbone
    backbone.init_cfg.checkpoint = str(tmp_path / 'out.pth')
    backbone.cnn.update(depth=18, base_channels=4, init_cfg=None)  # 16 channels on 14x14
    ours = MODELS.build(backbone).eval()
    before = ours.projection.weight.clone()
    ours.init_weights()
    assert torch.equal(ours.projection.weight, before), 'the projection is in no file'
    images = torch.randn(1, 3, 112, 112)
    with torch.no_grad():
        features = ours.cnn(images)[-1]
        assert features.shape[2:] == (14, 14)
        tokens = ours.projection(features.flatten(2).transpose(1, 2))
        theirs.patch_embed = torch.nn.Identity()
        expected = theirs.forward_features(tokens)[:, 0]
        torch.testing.assert_close(ours(images)[0], expected, rtol=1e-4, atol=1e-4)

    # A weight that is neither expected to be missing nor omitted on purpose is an error.
    saved = torch.load(tmp_path / 'out.pth', weights_only=True)
    del saved['state_dict']['layers.3.attn.qkv.bias']
    saved['state_dict']['dist_token'] = torch.zeros(1, 1, 192)
    torch.save(saved, tmp_path / 'out.pth')
    with pytest.raises(ValueError, match=r'layers\.3\.attn\.qkv\.bias\n.*dist_token'):
        MODELS.build(backbone).init_weights()


@pytest.mark.parametrize('name', ['rafdb', 'affectnet-7', 'ferplus'])
def test_transfer_loads_the_files_of_apvit(tmp_path, name):
    arch = dict(embed_dims=32, num_layers=2, num_heads=4, feedforward_channels=32)
    cnn = dict(depth=18, num_stages=3, base_channels=4)
    backbone = read_config(f'transfer_ir50-vit-small_1xb64-40e_{name}-112px').model.backbone
    backbone.arch = arch
    backbone.cnn.update(cnn)
    states = {
        'vit': made_up(APViT(arch=arch, img_size=224, qkv_bias=False)).state_dict(),
        'cnn': made_up(IRNet(**cnn)).state_dict(),
    }
    # As written by the converters.
    states['vit'] = {k: v for k, v in states['vit'].items() if not k.startswith('patch_embed.')}
    for part, holder in (('vit', backbone), ('cnn', backbone.cnn)):
        torch.save(states[part], tmp_path / f'{part}.pth')
        holder.init_cfg.checkpoint = str(tmp_path / f'{part}.pth')
    ours = MODELS.build(backbone)
    ours.init_weights()
    state = ours.state_dict()
    assert all(torch.equal(state[key], value) for key, value in states['vit'].items())
    assert all(torch.equal(state[f'cnn.{key}'], value) for key, value in states['cnn'].items())
    rest = {key.split('.')[0] for key in state.keys() - states['vit'].keys()}
    assert rest == {'cnn', 'projection', 'local'}

    del states['cnn']['stages.1.0.conv1.weight']
    torch.save(states['cnn'], tmp_path / 'cnn.pth')
    with pytest.raises(ValueError, match='stages.1.0.conv1.weight'):
        MODELS.build(backbone).init_weights()


def test_a_distilled_deit_is_an_error(tmp_path):
    state = timm.create_model('deit_tiny_distilled_patch16_224').state_dict()
    torch.save(dict(model=state), tmp_path / 'deit.pth')
    words = ('--arch', 'deit-tiny', '--patch-embed')
    done = convert('timm_vit_to_mmfer', tmp_path / 'deit.pth', tmp_path / 'out.pth', *words)
    assert done.returncode == 1 and 'dist_token' in done.stderr
    assert 'pos_embed (model (1, 197, 192), checkpoint (1, 198, 192))' in done.stderr
    assert not (tmp_path / 'out.pth').exists()


def test_a_file_without_weights(tmp_path):
    torch.save([1, 2, 3], tmp_path / 'list.pth')
    done = convert('timm_vit_to_mmfer', tmp_path / 'list.pth', tmp_path / 'out.pth')
    assert done.returncode == 1 and 'no named tensors' in done.stderr
    done = convert('timm_vit_to_mmfer', tmp_path / 'absent.pth', tmp_path / 'out.pth')
    assert done.returncode == 1 and 'absent.pth' in done.stderr
    assert 'Traceback' not in done.stderr


IMAGES = (2, 3, 32, 32)


def net_from(target, **settings):
    """Return a model with the weights of a converter's file, which must provide every weight."""
    init_cfg = dict(type='Pretrained', checkpoint=str(target), allow_missing=())
    net = MODELS.build(dict(settings, init_cfg=init_cfg))
    net.init_weights()
    return net.eval()


@pytest.mark.parametrize('layout', [*LAYOUTS, 'onnx'])
@torch.no_grad()
def test_mobilefacenet(tmp_path, layout):
    arch = MobileFaceNet.ARCHS['mbf']
    names = 'port' if layout == 'port' else 'arcface_torch'
    weights = mobilefacenet(arch, names)
    source, target = tmp_path / 'source.pth', tmp_path / 'out.pth'
    torch.save({f'module.{key}': value for key, value in weights.items()}, source)
    if layout == 'onnx':
        onnx = pytest.importorskip('onnx')
        source = tmp_path / 'source.onnx'
        onnx.save(mobilefacenet_onnx(weights, arch, names), source)
    done = convert('mobilefacenet_to_mmfer', source, target, '--num-stages', 3)
    assert done.returncode == 0, done.stderr
    assert '(100.0% of the model), 0 are missing, 0 unexpected' in done.stdout
    assert "cnn=dict(type='MobileFaceNet', num_stages=3, arch='mbf'" in done.stdout
    assert ('norm_eval=True' in done.stdout) == (layout == 'onnx')
    settings = torch.load(target, weights_only=True)['meta']['settings']
    net = net_from(target, type='MobileFaceNet', out_indices=(1, 2), **settings)
    images = torch.randn(IMAGES)
    _, *wanted, _ = mobilefacenet_maps(weights, arch, names, images)
    for ours, theirs in zip(net(images), wanted, strict=True):
        # 1e-5 of the standard deviation of these maps
        torch.testing.assert_close(ours / theirs.std(), theirs / theirs.std(), atol=1e-5, rtol=1e-5)


def test_mobilefacenet_with_other_channels(tmp_path):
    torch.save(mobilefacenet(NARROW, 'port'), tmp_path / 'narrow.pth')
    done = convert('mobilefacenet_to_mmfer', tmp_path / 'narrow.pth', tmp_path / 'out.pth')
    assert done.returncode == 0, done.stderr
    assert f'num_stages=2, arch={NARROW!r}, init_cfg' in done.stdout
    net_from(tmp_path / 'out.pth', type='MobileFaceNet', arch=NARROW)


@torch.no_grad()
def test_iresnet(tmp_path):
    weights = iresnet(18)
    source, target = tmp_path / 'backbone.pth', tmp_path / 'out.pth'
    torch.save(weights, source)
    done = convert('iresnet_to_mmfer', source, target, '--depth', 18)
    assert done.returncode == 0, done.stderr
    assert '(100.0% of the model), 0 are missing, 0 unexpected' in done.stdout
    net = net_from(target, type='IRNet', depth=18, unit='iresnet')
    images = torch.randn(IMAGES)
    wanted = iresnet_maps(weights, 18, images)[2]
    torch.testing.assert_close(net(images)[0], wanted, atol=1e-5, rtol=1e-5)

    done = convert('iresnet_to_mmfer', source, tmp_path / 'no.pth', '--depth', 34)
    assert done.returncode == 1 and 'in the model only: stages.0.2.' in done.stderr
    assert not (tmp_path / 'no.pth').exists()


def test_other_face_models_are_errors(tmp_path):
    sources = {
        'mobilefacenet': mobilefacenet(NARROW, 'port'),
        'iresnet': iresnet(18, base=2),
        'both': mobilefacenet(NARROW, 'port') | mobilefacenet(NARROW, 'arcface_torch'),
    }
    for name, weights in sources.items():
        torch.save(weights, tmp_path / f'{name}.pth')
    (tmp_path / 'iresnet.onnx').write_bytes((tmp_path / 'iresnet.pth').read_bytes())
    for tool, source, message in (
        ('iresnet', 'mobilefacenet.pth', 'does not contain the weights'),
        ('mobilefacenet', 'iresnet.pth', 'does not contain the weights'),
        ('face_evolve', 'iresnet.pth', 'does not contain the weights'),
        ('mobilefacenet', 'both.pth', 'it mixes two layouts'),
        ('mobilefacenet', 'iresnet.onnx', 'iresnet.onnx'),
        ('mobilefacenet', 'absent.onnx', 'absent.onnx'),
    ):
        done = convert(f'{tool}_to_mmfer', tmp_path / source, tmp_path / 'no.pth')
        assert done.returncode == 1 and message in done.stderr, (tool, source, done.stderr)
        assert 'Traceback' not in done.stderr and not (tmp_path / 'no.pth').exists()
