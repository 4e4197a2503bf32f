# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import copy

import pytest
import torch
from mmengine.config import Config
from mmpretrain.models import VisionTransformer
from slow_blocks import slow_output

from mmfer.models import APViT
from mmfer.registry import MODELS
from mmfer.utils.reparameterize import merge_branches

ARCH = dict(embed_dims=32, num_layers=4, num_heads=4, feedforward_channels=48)
CNN = dict(type='IRNet', depth=18, num_stages=3, base_channels=4)


def build(**arguments) -> APViT:
    settings = dict(type='APViT', cnn=CNN, arch=ARCH, img_size=48)  # a grid of 6x6
    settings.update(arguments)
    model = MODELS.build(copy.deepcopy(settings))
    with torch.no_grad():  # not the zeros of a new model
        model.pos_embed.normal_(std=0.5)
        model.cls_token.normal_(std=0.5)
    return model.eval()


CNNS = {
    'IRNet': CNN,
    'ResNet': dict(
        type='ResNet',
        depth=18,
        num_stages=3,
        strides=(1, 2, 2),
        dilations=(1, 1, 1),
        out_indices=(2,),
    ),
    'MobileNetV2': dict(type='MobileNetV2', widen_factor=0.25, out_indices=(4,)),
    'IRNet of iresnet': dict(CNN, unit='iresnet'),
    'MobileFaceNet': dict(type='MobileFaceNet'),
    'TIMMBackbone': dict(
        type='TIMMBackbone',
        model_name='mobilenetv3_small_050',
        features_only=True,
        out_indices=(3,),
    ),
    'plain patches': None,
}


@pytest.mark.parametrize('cnn', CNNS.values(), ids=CNNS.keys())
def test_any_cnn_or_none_makes_the_patches(cnn):
    model = build(cnn=cnn, img_size=64, app=dict(keep_num=6), atp=dict(keep_rate=0.5))
    model.train()
    out = model(torch.randn(2, 3, 64, 64))
    assert isinstance(out, tuple) and out[0].shape == (2, 32)
    out[0].square().sum().backward()
    first = model.cnn if cnn else model.patch_embed
    gradients = [p.grad for p in first.parameters() if p.requires_grad]
    assert any(g is not None and g.abs().sum() > 0 for g in gradients)


@pytest.mark.parametrize('out_type', APViT.OUT_TYPES)
@pytest.mark.parametrize('pooling', [True, False])
def test_equals_the_slow_reference(out_type, pooling):
    arguments = dict(out_type=out_type)
    if pooling:
        arguments.update(app=dict(keep_num=20), atp=dict(keep_rate=0.6, start=1))
    model = build(**arguments)
    x = torch.randn(3, 3, 48, 48)
    torch.testing.assert_close(model(x)[0], slow_output(model, x), atol=1e-5, rtol=1e-4)


def test_keeping_everything_is_the_model_without_pooling_bit_for_bit():
    x = torch.randn(2, 3, 48, 48)
    plain, full = build(), build(app=dict(keep_num=36), atp=dict(keep_rate=1.0))
    full.load_state_dict(plain.state_dict())
    assert torch.equal(plain(x)[0], full(x)[0])


def test_without_cnn_it_is_mmpretrains_vision_transformer():
    ours = build(cnn=None, patch_size=8, out_type='raw')
    theirs = VisionTransformer(arch=ARCH, img_size=48, patch_size=8, out_type='raw')
    theirs.eval()  # returns None in mmpretrain
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(2, 3, 48, 48)
    assert torch.equal(ours(x)[0], theirs(x)[0])
    ours.out_type = theirs.out_type = 'cls_token'
    torch.testing.assert_close(ours(x), theirs(x), atol=1e-5, rtol=1e-4)


def test_average_output_leaves_the_class_token_out():
    model = build(out_type='avg_featmap', app=dict(keep_num=20), atp=dict(keep_rate=0.5))
    x = torch.randn(2, 3, 48, 48)
    average = model(x)[0]
    model.out_type = 'raw'
    torch.testing.assert_close(average, model(x)[0][:, 1:].mean(1))


def test_indices_name_the_patches_that_are_left():
    model = build(app=dict(keep_num=20), atp=dict(keep_rate=0.5, start=2))
    out, left = model.forward_with_indices(torch.randn(3, 3, 48, 48))
    assert list(left) == ['app', 'layers.2', 'layers.3']
    assert [positions.shape[1] for positions in left.values()] == [20, 10, 5]
    assert model.token_counts() == [21, 21, 11, 6]
    for image in range(3):
        sets = [set(positions[image].tolist()) for positions in left.values()]
        assert sets[0] > sets[1] > sets[2] and max(sets[0]) < 36


def test_indices_do_not_change_the_output():
    model = build(app=dict(keep_num=20), atp=dict(keep_rate=0.5))
    x = torch.randn(2, 3, 48, 48)
    torch.testing.assert_close(model(x), model.forward_with_indices(x)[0], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize('size', [32, 48, 80])
@pytest.mark.parametrize('cnn', [CNN, None])
def test_indices_are_those_of_the_grid_at_every_image_size(size, cnn):
    model = build(cnn=cnn, patch_size=8, app=dict(keep_num=12), atp=dict(keep_rate=0.5, start=3))
    x = torch.randn(2, 3, size, size)
    out, left = model.forward_with_indices(x)
    torch.testing.assert_close(model(x), out, atol=1e-5, rtol=1e-4)
    tokens = []
    with model.app.register_forward_pre_hook(lambda _, inputs: tokens.append(inputs[0])):
        model(x)
    assert tokens[0].shape[1] == (size // 8) ** 2
    wanted = tokens[0].abs().sum(-1).topk(12).indices.sort().values
    assert torch.equal(left['app'], wanted)
    assert left['layers.3'].shape == (2, 6)
    for image in range(2):
        assert set(left['layers.3'][image].tolist()) < set(left['app'][image].tolist())


@pytest.mark.parametrize('cnn', [CNN, None])
def test_the_grid_of_every_image_size(cnn):
    model = build(cnn=cnn, patch_size=8, app=dict(keep_num=12), atp=dict(keep_rate=0.5, start=3))
    assert model.grid_of() == model.grid_of((48, 48)) == model.grid == (6, 6)
    assert model.grid_of((64, 40)) == (8, 5)
    model.app = None
    assert model.token_counts((64, 40)) == [41, 41, 41, 21]
    assert not any(module.training for module in model.modules())


def test_dropped_patches_have_no_influence_after_app():
    model = build(cnn=None, patch_size=8, app=dict(keep_num=10))
    x = torch.randn(1, 3, 48, 48)
    _, left = model.forward_with_indices(x)
    row, column = divmod(next(n for n in range(36) if n not in left['app'][0]), 6)
    changed = x.clone()
    changed[..., row * 8 : row * 8 + 8, column * 8 : column * 8 + 8] *= 0.9  # still among the weak
    assert torch.equal(model.forward_with_indices(changed)[1]['app'], left['app'])
    assert torch.equal(model(changed)[0], model(x)[0])


def test_images_of_a_batch_do_not_touch_each_other():
    model = build(app=dict(keep_num=20), atp=dict(keep_rate=0.5))
    x = torch.randn(3, 3, 48, 48)
    torch.testing.assert_close(model(x)[0][1:2], model(x[1:2])[0], atol=1e-5, rtol=1e-4)


def test_other_image_sizes_resize_the_position_embedding():
    model = build(app=dict(keep_num=20))
    assert model(torch.randn(1, 3, 64, 64))[0].shape == (1, 32)
    larger = build(img_size=64)
    larger.load_state_dict(model.state_dict())
    assert larger.pos_embed.shape == (1, 65, 32)
    assert torch.equal(larger.pos_embed[:, 0], model.pos_embed[:, 0])


def test_lanet_and_feature_scores_fit_the_widths():
    on_tokens = build(app=dict(keep_num=5, criterion='lanet'))
    assert on_tokens.app.lanet.squeeze.in_features == 32
    on_features = build(app=dict(keep_num=5, criterion='lanet', score_on='features'))
    assert on_features.app.lanet.squeeze.in_features == 16
    on_features(torch.randn(1, 3, 48, 48))


def test_cnn_and_transformer_load_files_of_their_own(tmp_path):
    source = build()
    cnn_file, vit_file = tmp_path / 'cnn.pth', tmp_path / 'vit.pth'
    torch.save(dict(state_dict=source.cnn.state_dict()), cnn_file)
    vit = {k: v for k, v in source.state_dict().items() if not k.startswith(('cnn.', 'projection'))}
    torch.save(dict(state_dict=vit), vit_file)
    pretrained = dict(type='Pretrained', checkpoint=str(vit_file))
    cnn = dict(CNN, init_cfg=dict(type='Pretrained', checkpoint=str(cnn_file)))
    for use_cnn in (True, False):
        for use_vit in (True, False):
            model = build(cnn=cnn if use_cnn else CNN, init_cfg=pretrained if use_vit else None)
            model.init_weights()
            state, wanted = model.state_dict(), source.state_dict()
            assert use_cnn == torch.equal(state['cnn.stem.0.weight'], wanted['cnn.stem.0.weight'])
            assert use_vit == torch.equal(state['pos_embed'], wanted['pos_embed'])
            assert use_vit == torch.equal(
                state['layers.3.attn.qkv.weight'], wanted['layers.3.attn.qkv.weight']
            )


def test_a_file_in_a_list_of_initializations_is_loaded_whole(tmp_path):
    source = build()
    path = tmp_path / 'all.pth'
    torch.save(dict(state_dict=source.state_dict()), path)
    model = build(
        init_cfg=[
            dict(type='Constant', layer='Linear', val=0.1),
            dict(type='Pretrained', checkpoint=str(path)),
        ]
    )
    model.init_weights()
    for name, value in source.state_dict().items():
        assert torch.equal(model.state_dict()[name], value), name


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (dict(app=dict(keep_num=37)), 'keep_num=37.*36 patches'),
        (dict(atp=dict(keep_rate=1.5)), 'keep_rate.*1.5'),
        (dict(atp=dict(keep_rate=0.5, start=5)), 'atp.start .*0 to 4.*5'),
        (dict(atp=dict(keep_rate=[0.5, 1.5], start=2)), 'keep_rate.*1.5'),
        (dict(atp=dict(keep_rate=[0.5, 0.5], start=1)), 'keep_rate.*3 blocks.*start=1.*got 2'),
        (dict(qk_scale=0.0), 'qk_scale.*0.0'),
        (dict(atp=dict(keep_rate=0.5, begin=2)), "'start'.*'begin'"),
        (dict(arch='tiny'), "'small'.*'tiny'"),
        (dict(arch=dict(ARCH, num_heads=5)), 'num_heads=5'),
        (dict(out_type='cls'), "'cls_token'.*'cls'"),
        (dict(cnn=None, app=dict(keep_num=2, score_on='features')), "score_on='tokens'"),
        (dict(cnn=dict(type='VisionTransformer', arch=ARCH, img_size=48)), r'\(B, C, H, W\)'),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        build(**arguments)


@pytest.mark.parametrize('drop', [0.0, 0.3])
@pytest.mark.parametrize('out_type', ['cls_token', 'raw'])
@pytest.mark.parametrize('criterion', ['sum', 'random'])
def test_checkpointing_gives_the_same_gradients(drop, out_type, criterion):
    pooling = dict(
        app=dict(keep_num=20, criterion=criterion),
        atp=dict(keep_rate=0.6, start=1, criterion=criterion),
    )
    settings = dict(**pooling, out_type=out_type, drop_rate=drop, drop_path_rate=drop)
    usual, saving = (
        build(**settings),
        build(**settings, with_cp=True, cnn=dict(CNN, with_cp=True)),
    )
    saving.load_state_dict(usual.state_dict())
    x = torch.randn(3, 3, 48, 48)
    found = []
    for model in (usual.train(), saving.train()):
        torch.manual_seed(1)
        out = model(x)[0]
        out.square().mean().backward()
        found.append((out.detach(), {n: p.grad for n, p in model.named_parameters()}))
    torch.testing.assert_close(found[1][0], found[0][0])
    for name, gradient in found[0][1].items():
        if gradient is None:
            assert found[1][1][name] is None
        else:
            torch.testing.assert_close(found[1][1][name], gradient, atol=1e-6, rtol=1e-4, msg=name)
    with torch.no_grad():
        torch.manual_seed(1)
        wanted = usual.eval()(x)
        torch.manual_seed(1)
        torch.testing.assert_close(saving.eval()(x), wanted, atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_the_cnn_is_brought_to_its_form_for_inference():
    model = build(app=dict(keep_num=20), atp=dict(keep_rate=0.6))
    x = torch.randn(2, 3, 48, 48)
    wanted = model(x)
    assert merge_branches(model) == ['cnn']
    torch.testing.assert_close(model(x), wanted, atol=1e-4, rtol=0)
    assert merge_branches(model) == []


def test_without_weights_it_starts_as_the_release_does():
    model = build(arch=dict(ARCH, embed_dims=256, feedforward_channels=512), qkv_bias=True)
    projection = model.projection.weight.clone()
    model.init_weights()
    linear = [m for m in model.layers.modules() if isinstance(m, torch.nn.Linear)]
    assert len(linear) == 4 * 4
    for layer in linear:
        # The mean square of n normal numbers is within 6 * sqrt(2 / n) of their variance.
        n = layer.weight.numel()
        assert layer.weight.var().item() == pytest.approx(0.02**2, rel=6 * (2 / n) ** 0.5)
        assert layer.weight.abs().max() > 0.07  # normal, not truncated at 2 std
        assert not layer.bias.any()
    for part in (model.cls_token, model.pos_embed[:, 1:]):
        assert part.var().item() == pytest.approx(0.02**2, rel=6 * (2 / part.numel()) ** 0.5)
    assert not model.pos_embed[:, 0].any()
    assert torch.equal(model.projection.weight, projection)
    bound = model.projection.in_features**-0.5  # of a uniform distribution, PyTorch's own
    assert 0.9 * bound < projection.abs().max().item() <= bound


def test_blocks_start_as_their_init_cfg_says():
    model = build(layer_cfg=dict(init_cfg=dict(type='Constant', layer='Linear', val=0.25)))
    model.init_weights()
    for module in model.layers.modules():
        if isinstance(module, torch.nn.Linear):
            assert (module.weight == 0.25).all()


def test_the_published_classifier_starts_at_zero_and_its_net_does_not(repo_root):
    cfg = Config.fromfile(repo_root / 'configs/_base_/models/apvit_ir50-vit-small.py').model
    cfg.backbone.update(cnn=CNN, img_size=48, app=None)
    model = MODELS.build(cfg)
    torch.nn.init.normal_(model.head.fc.weight)
    model.init_weights()
    assert not model.head.fc.weight.any() and not model.head.fc.bias.any()
    assert model.backbone.layers[7].attn.proj.weight.std().item() == pytest.approx(0.02, rel=0.01)
    assert model(torch.randn(1, 3, 48, 48)).eq(0).all()


@pytest.mark.parametrize('out_type', APViT.OUT_TYPES)
def test_another_scale_of_attention_everywhere(out_type):
    arguments = dict(app=dict(keep_num=20), atp=dict(keep_rate=0.6, start=2), out_type=out_type)
    usual, model = build(**arguments), build(**arguments, qk_scale=ARCH['embed_dims'] ** -0.5)
    model.load_state_dict(usual.state_dict())
    x = torch.randn(2, 3, 48, 48)
    assert not torch.allclose(model(x)[0], usual(x)[0])
    # A smaller scale is equivalent to smaller queries at the default scale.
    for layer in usual.layers:
        with torch.no_grad():
            layer.attn.qkv.weight[:32] *= 32**-0.5 / 8**-0.5
            layer.attn.qkv.bias[:32] *= 32**-0.5 / 8**-0.5
    torch.testing.assert_close(model(x), usual(x), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(
        model.forward_with_indices(x), usual.forward_with_indices(x), atol=1e-5, rtol=1e-4
    )


def test_a_rate_for_each_block():
    rates = [1.0, 0.75, 1.0, 0.5]
    model = build(app=dict(keep_num=20), atp=dict(keep_rate=rates, start=0))
    assert model.token_counts() == [21, 16, 16, 8]
    x = torch.randn(3, 3, 48, 48)
    torch.testing.assert_close(model(x)[0], slow_output(model, x), atol=1e-5, rtol=1e-4)
    out, left = model.forward_with_indices(x)
    torch.testing.assert_close(out, model(x), atol=1e-5, rtol=1e-4)
    assert [positions.shape[1] for positions in left.values()] == [20, 20, 15, 15, 7]
    same = build(app=dict(keep_num=20), atp=dict(keep_rate=[0.6, 0.6], start=2))
    usual = build(app=dict(keep_num=20), atp=dict(keep_rate=0.6, start=2))
    same.load_state_dict(usual.state_dict())
    assert torch.equal(same(x)[0], usual(x)[0])


@pytest.mark.parametrize('out_type', ['cls_token', 'raw'])
def test_random_selection_gives_its_own_indices(out_type):
    model = build(
        app=dict(keep_num=20, criterion='random'),
        atp=dict(keep_rate=0.6, start=1, criterion='random'),
        out_type=out_type,
    )
    x = torch.randn(3, 3, 48, 48)
    torch.manual_seed(1)
    out, left = model.forward_with_indices(x)
    torch.manual_seed(1)
    torch.testing.assert_close(model(x), out, atol=1e-5, rtol=1e-4)
    assert [positions.shape[1] for positions in left.values()] == [20, 12, 7, 4]
    again = model.forward_with_indices(x)[1]
    assert all(not torch.equal(left[name], again[name]) for name in left)
