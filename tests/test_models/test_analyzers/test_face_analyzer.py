# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import copy

import pytest
import torch
from mmengine.optim import OptimWrapper
from mmengine.runner.checkpoint import load_state_dict
from mmpretrain.models.heads import ClsHead
from mmpretrain.structures import DataSample
from toy_analyzer import CNN, PRIORS, VIT, analyzer_config

from mmfer.models import IRNet
from mmfer.registry import MODELS

BUILT = []


@MODELS.register_module()
class WatchedIRNet(IRNet):
    """Records that it was built."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        BUILT.append(self)


WATCHED = dict(CNN, type='WatchedIRNet')
NECK = dict(type='KTAdapter', embed_dims=32, num_heads=4)


def build(**changes):
    return MODELS.build(analyzer_config(**changes))


def ready(**changes):
    """A model at the start of training."""
    model = build(**changes)
    model.init_weights()
    return model.train()


def images(count=4):
    return torch.randn(count, 3, 32, 32)


def samples(count=4):
    return [DataSample().set_gt_label(i % 7) for i in range(count)]


def batch(count=4):
    inputs = torch.randint(0, 256, (count, 3, 32, 32), dtype=torch.uint8)
    return dict(inputs=inputs, data_samples=samples(count))


def snapshot(state_dict):
    return {name: value.clone() for name, value in state_dict.items()}


# Trained parts ------------------------------------------------------------------------------------


def test_exactly_these_change_in_a_training_step():
    model = ready(neck=dict(NECK, task_embedding=True))
    before, priors = snapshot(model.state_dict()), snapshot(model.priors.state_dict())
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, weight_decay=0.1)
    model.train_step(batch(), OptimWrapper(optimizer))
    after = model.state_dict()
    assert before.keys() == after.keys()
    # BatchNorm statistics are compared as well.
    assert any(name.startswith('backbone') and 'running_mean' in name for name in before)
    changed = [name for name in before if not torch.equal(before[name], after[name])]
    assert changed == [
        'neck.task_embedding',
        'neck.transfer.knowledge',
        'neck.transfer.attn.qkv.weight',
        'neck.transfer.attn.qkv.bias',
        'neck.transfer.attn.proj.weight',
        'neck.transfer.attn.proj.bias',
        'neck.transfer.ln1.weight',
        'neck.transfer.ln1.bias',
        'neck.transfer.ffn.layers.0.0.weight',
        'neck.transfer.ffn.layers.0.0.bias',
        'neck.transfer.ffn.layers.1.weight',
        'neck.transfer.ffn.layers.1.bias',
        'neck.transfer.ln2.weight',
        'neck.transfer.ln2.bias',
        'head.fc.weight',
        'head.fc.bias',
    ]
    assert all(torch.equal(priors[k], v) for k, v in model.priors.state_dict().items())


def test_gradients_reach_adapter_and_decoder_only():
    model = ready()
    model.loss(images(), samples())['loss'].backward()
    for name, parameter in model.named_parameters():
        if name.startswith('backbone'):
            assert parameter.grad is None and not parameter.requires_grad, name
        else:
            assert parameter.grad.abs().max() > 0, name
    for encoder in model.priors.encoders.values():
        assert all(p.grad is None and not p.requires_grad for p in encoder.parameters())


def test_frozen_encoders_stay_in_eval_mode():
    model = ready()
    model.eval()
    model.train()
    assert model.training and model.neck.training
    for encoder in (model.backbone, *model.priors.encoders.values()):
        assert not any(module.training for module in encoder.modules())
    # DropPath of the ViT and all BatchNorms are in eval mode: same image, same tokens.
    inputs = images()
    for first, second in zip(
        model.priors(inputs).values(), model.priors(inputs).values(), strict=True
    ):
        assert torch.equal(first, second) and not first.requires_grad


def test_not_frozen():
    model = ready(frozen=False)
    assert all(module.training for module in model.backbone.modules())
    model.loss(images(), samples())['loss'].backward()
    assert all(p.grad is not None for p in model.backbone.parameters())


# Inference ----------------------------------------------------------------------------------------


def test_inference_builds_no_prior():
    BUILT.clear()
    priors = dict(age=dict(backbone=WATCHED, checkpoint='nowhere.pth'))
    model = build(priors=priors).eval()
    with torch.no_grad():
        model(images(), mode='tensor')
        model.predict(images(), samples())
        model.test_step(batch())
        model.extract_feat(images())
    load_state_dict(model, model.state_dict(), strict=True)
    assert BUILT == [] and model.priors is None
    # The same model in training needs it, so the test above can fail.
    with pytest.raises(FileNotFoundError, match='model.priors.age.checkpoint'):
        model.init_weights()
    assert len(BUILT) == 1


def test_inference_equals_an_image_classifier_with_the_neck():
    model = ready()
    config = analyzer_config(type='ImageClassifier')
    del config['priors']
    plain = MODELS.build(config)
    plain.load_state_dict(model.state_dict())
    inputs = images()
    assert torch.equal(model.eval()(inputs), plain.eval()(inputs))


def test_an_adapter_that_starts_as_the_identity_predicts_like_the_baseline(tmp_path):
    gap = dict(type='GlobalAveragePooling')
    config = analyzer_config(type='ImageClassifier', neck=gap)
    del config['priors']
    baseline = MODELS.build(config)
    baseline.init_weights()
    torch.save(dict(state_dict=baseline.state_dict()), tmp_path / 'baseline.pth')
    model = ready(
        neck=dict(NECK, init_scale=0),
        init_cfg=dict(type='Pretrained', checkpoint=str(tmp_path / 'baseline.pth')),
    )
    inputs = images()
    assert torch.equal(model.eval()(inputs), baseline.eval()(inputs))


# Fusion on the map --------------------------------------------------------------------------------

CONVNEXT = dict(
    type='ConvNeXt',
    arch=dict(depths=[1, 1, 1, 1], channels=[8, 8, 16, 16]),
    use_grn=True,
    layer_scale_init_value=0.0,
)
MLP = dict(type='MLPClsHead', num_classes=7, in_channels=16, hidden_channels=(8,))


@pytest.mark.parametrize(
    'backbone',
    [CNN, dict(CONVNEXT, gap_before_final_norm=False), dict(VIT, out_type='featmap')],
    ids=lambda backbone: backbone['type'],
)
@torch.no_grad()
def test_fused_on_the_map_or_on_its_average_a_light_mlp_predicts_the_same(backbone):
    head = dict(MLP, in_channels=24 if backbone['type'] == 'VisionTransformer' else 16)
    pooled = ready(backbone=backbone, head=head).eval()
    on_map = ready(backbone=backbone, head=head, neck=dict(NECK, fusion='map')).eval()
    on_map.load_state_dict(pooled.state_dict())
    inputs = images()
    assert on_map.extract_feat(inputs)[0].ndim == 4
    torch.testing.assert_close(on_map(inputs), pooled(inputs))
    # Also in training, with priors and the same mask.
    losses = []
    for model in (pooled, on_map):
        model.priors = pooled.priors
        torch.manual_seed(0)
        losses.append(model.train().loss(inputs, samples())['loss'])
    torch.testing.assert_close(*losses)


@pytest.mark.parametrize('backbone', [CONVNEXT, VIT], ids=lambda backbone: backbone['type'])
def test_fusion_on_the_map_needs_an_encoder_with_a_map(backbone):
    model = build(backbone=backbone, neck=dict(NECK, fusion='map'))
    with pytest.raises(ValueError, match='model.neck.fusion'):
        model(images())


@MODELS.register_module()
class ConvClsHead(ClsHead):
    """A decoder that reads the map: a 3x3 convolution before the average."""

    def __init__(self, num_classes, in_channels, **kwargs):
        super().__init__(**kwargs)
        self.conv = torch.nn.Conv2d(in_channels, num_classes, 3)

    def forward(self, feats):
        return self.conv(feats[-1]).relu().mean((2, 3))


def test_a_decoder_of_convolutions_reads_the_map():
    head = dict(type='ConvClsHead', num_classes=7, in_channels=16)
    model = ready(neck=dict(NECK, fusion='map'), head=head)
    model.loss(images(), samples())['loss'].backward()
    assert model.neck.transfer.knowledge.grad.abs().max() > 0
    before = model.eval()(images())
    assert before.shape == (4, 7)
    with pytest.raises(RuntimeError):  # the average is not a map
        ready(head=head)(images())


# Other necks --------------------------------------------------------------------------------------


@MODELS.register_module()
class AddsTheMeanOfPriors(torch.nn.Module):
    """The interface that a FaceAnalyzer needs from a neck."""

    tasks = ('gaze', 'expression', 'age')
    prior_tasks = ('gaze', 'age')

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(()))
        self.seen = []

    def forward(self, feats, priors=None):
        self.seen.append(priors and {task: token.shape for task, token in priors.items()})
        feature = feats[-1].mean((2, 3))
        if priors:
            feature = feature + self.weight * torch.stack(list(priors.values())).mean(0)
        return (feature,)


def test_any_neck_with_the_documented_call():
    priors = dict(age=dict(backbone=CNN), gaze=dict(backbone=CNN))
    model = ready(neck=dict(type='AddsTheMeanOfPriors'), priors=priors)
    assert model.priors.tasks == ('gaze', 'age')
    model.loss(images(), samples())['loss'].backward()
    assert model.neck.weight.grad.abs() > 0
    assert model.eval()(images()).shape == (4, 7)
    assert model.neck.seen == [dict(gaze=(4, 16), age=(4, 16)), None]
    with pytest.raises(ValueError, match=r"\['landmarks'\].*\('gaze', 'expression', 'age'\)"):
        build(neck=dict(type='AddsTheMeanOfPriors'), priors=dict(landmarks=dict(backbone=CNN)))


# Priors -------------------------------------------------------------------------------------------


def test_which_priors_are_built():
    every = dict(PRIORS, expression=dict(backbone=WATCHED))
    BUILT.clear()
    tasks = ready(priors=every).priors.tasks
    assert tasks == ('age', 'landmarks', 'recognition') and not BUILT
    assert ready(priors=every, num_priors=2).priors.tasks == ('age', 'landmarks')
    assert ready(priors=every, num_priors=0).priors.tasks == ()
    model = ready(priors=every, neck=dict(NECK, canonical='recognition'))
    assert model.priors.tasks == ('expression', 'age', 'landmarks') and len(BUILT) == 1
    assert ready(priors=None).loss(images(), samples())['loss'].isfinite()


def test_tokens_of_mixed_encoders():
    tokens = ready().priors(images(5))
    shapes = {task: tuple(token.shape) for task, token in tokens.items()}
    assert shapes == dict(age=(5, 16), landmarks=(5, 24), recognition=(5, 16))


ENCODERS = {
    'APViT': dict(
        type='APViT',
        cnn=CNN,
        arch=dict(embed_dims=24, num_layers=2, num_heads=4, feedforward_channels=48),
        img_size=32,
        app=dict(keep_num=8),
    ),
    'MobileOne': dict(
        type='MobileOne',
        arch=dict(
            num_blocks=[1, 1, 1, 1],
            width_factor=[0.25] * 4,
            num_conv_branches=[2] * 4,
            num_se_blocks=[0] * 4,
        ),
        out_indices=(3,),
    ),
    'ConvNeXt V2': dict(
        type='ConvNeXt',
        arch=dict(depths=[1, 1, 1, 1], channels=[8, 8, 16, 24]),
        use_grn=True,
        layer_scale_init_value=0.0,
        gap_before_final_norm=True,
    ),
}


@pytest.mark.parametrize('name', ENCODERS)
def test_any_encoder_is_canonical_or_prior(name):
    encoder = ENCODERS[name]
    width = {'MobileOne': 128}.get(name, 24)
    model = ready(
        backbone=encoder,
        priors=dict(age=dict(backbone=encoder), landmarks=dict(backbone=VIT)),
        neck=dict(NECK, embed_dims=128),
        head=dict(type='LinearClsHead', num_classes=7, in_channels=width),
    )
    model.loss(images(), samples())['loss'].backward()
    assert model.neck.transfer.knowledge.grad.abs().max() > 0
    assert model.priors(images())['age'].shape == (4, width)
    assert model.eval()(images()).shape == (4, 7)


def test_the_loss_depends_on_every_prior():
    model = ready(neck=dict(NECK, drop_mask=False))
    inputs = images()
    whole = model.loss(inputs, samples())['loss']
    encoders = model.priors.encoders
    for task in list(encoders):
        taken = encoders.pop(task)
        assert model.loss(inputs, samples())['loss'] != whole
        encoders[task] = taken


def test_priors_are_built_with_the_first_loss_at_the_latest():
    model = build()
    assert model.priors is None
    model.loss(images(), samples())
    assert model.priors.tasks == ('age', 'landmarks', 'recognition')


def test_building_priors_draws_no_random_numbers():
    torch.manual_seed(0)
    with_priors = ready()
    drawn = torch.rand(1)
    torch.manual_seed(0)
    without = ready(priors=None)
    assert torch.equal(torch.rand(1), drawn)
    for name, value in with_priors.state_dict().items():
        assert torch.equal(value, without.state_dict()[name]), name


def test_priors_follow_their_inputs():
    model = ready()
    tokens = model.priors(images().to('meta'))  # any device other than the initial one
    assert all(token.device.type == 'meta' for token in tokens.values())
    devices = {value.device.type for value in model.priors.state_dict().values()}
    assert devices == {'meta'} and model.neck.transfer.knowledge.device.type == 'cpu'


def test_a_copy_of_the_model_is_whole():
    model = ready()
    twin = copy.deepcopy(model)
    assert twin.priors is not model.priors
    torch.manual_seed(0)
    first = model.loss(images(), samples())['loss']
    torch.manual_seed(0)
    assert torch.equal(twin.loss(images(), samples())['loss'], first)


# Weights of priors --------------------------------------------------------------------------------


@pytest.fixture
def baseline(tmp_path):
    """Checkpoint of a trained model with the CNN as backbone."""
    config = analyzer_config(type='ImageClassifier', neck=dict(type='GlobalAveragePooling'))
    del config['priors']
    model = MODELS.build(config)
    model(images())  # changes the BatchNorm statistics
    path = tmp_path / 'baseline.pth'
    torch.save(dict(state_dict=model.state_dict(), meta=dict(epoch=3)), path)
    return path


def with_checkpoint(path, backbone=CNN):
    return dict(age=dict(backbone=backbone, checkpoint=str(path)))


def test_prior_from_the_checkpoint_of_a_baseline(baseline, tmp_path):
    weights = torch.load(baseline)['state_dict']
    encoder = ready(priors=with_checkpoint(baseline)).priors.encoders['age']
    for name, value in encoder.state_dict().items():
        assert torch.equal(value, weights[f'backbone.{name}']), name
    bare = tmp_path / 'bare.pth'
    torch.save(encoder.state_dict(), bare)
    again = ready(priors=with_checkpoint(bare)).priors.encoders['age']
    assert torch.equal(again.stem[0].weight, encoder.stem[0].weight)


def test_prior_checkpoints_must_be_complete(baseline, tmp_path):
    content = torch.load(baseline)
    del content['state_dict']['backbone.stages.1.0.conv1.weight']
    torch.save(content, tmp_path / 'less.pth')
    with pytest.raises(ValueError, match='stages.1.0.conv1.weight'):
        ready(priors=with_checkpoint(tmp_path / 'less.pth'))
    wide = dict(CNN, base_channels=8)
    with pytest.raises(ValueError, match='model.priors.age.backbone'):
        ready(priors=with_checkpoint(baseline, wide))
    with pytest.raises(ValueError, match='VisionTransformer'):
        ready(priors=with_checkpoint(baseline, VIT))


def test_prior_checkpoints_must_be_finite(baseline, tmp_path):
    content = torch.load(baseline)
    content['state_dict']['backbone.stages.1.0.bn1.running_var'][0] = torch.inf
    torch.save(content, tmp_path / 'inf.pth')
    with pytest.raises(ValueError, match='priors.age.checkpoint.*inf.pth.*bn1.running_var'):
        ready(priors=with_checkpoint(tmp_path / 'inf.pth'))


class Bomb:
    def __reduce__(self):
        return (eval, ('1 / 0',))


def test_prior_checkpoints_run_no_code(tmp_path):
    torch.save(dict(state_dict={}, bomb=Bomb()), tmp_path / 'bomb.pth')
    with pytest.raises(RuntimeError, match='eval'):
        ready(priors=with_checkpoint(tmp_path / 'bomb.pth'))


# Checkpoints of the model -------------------------------------------------------------------------


def test_checkpoints_carry_no_priors_unless_asked_to():
    model = ready()
    assert {name.split('.')[0] for name in model.state_dict()} == {'backbone', 'neck', 'head'}
    kept = ready(save_priors=True)
    stored = {name for name in kept.state_dict() if name.startswith('priors.')}
    assert stored == {f'priors.{name}' for name in kept.priors.state_dict()} and stored
    # Trained or not, the set of parameters is the same, so the optimizer state can be resumed.
    names = [name for name, _ in model.named_parameters()]
    assert (
        names
        == [n for n, _ in kept.named_parameters()]
        == [n for n, _ in build().named_parameters()]
    )


@pytest.mark.parametrize('loader', ['torch', 'mmengine'])
def test_checkpoints_with_and_without_priors_fit_each_other(loader):
    def load(model, weights):
        if loader == 'torch':
            model.load_state_dict(weights, strict=True)
        else:
            load_state_dict(model, weights, strict=True)

    kept, plain = ready(save_priors=True), ready()
    full = snapshot(kept.state_dict())
    own = snapshot(plain.priors.state_dict())

    for model in (plain, build(), build(save_priors=True)):  # in training, and in inference
        load(model, full)
        assert all(torch.equal(v, full[k]) for k, v in model.state_dict().items())
    assert all(torch.equal(v, own[k]) for k, v in plain.priors.state_dict().items())

    with torch.no_grad():
        for value in kept.priors.state_dict().values():
            value.zero_()
    load(kept, full)  # with save_priors they are restored
    assert all(torch.equal(v, full[k]) for k, v in kept.state_dict().items())
    load(kept, ready().state_dict())  # a checkpoint without priors keeps them
    for name, value in kept.priors.state_dict().items():
        assert torch.equal(value, full[f'priors.{name}'])


# Errors -------------------------------------------------------------------------------------------


def test_wrong_arguments():
    with pytest.raises(ValueError, match='smile'):
        build(priors=dict(smile=dict(backbone=CNN)))
    with pytest.raises(TypeError, match='model.priors.age'):
        build(priors=dict(age=CNN))
    with pytest.raises(ValueError, match='num_priors'):
        build(num_priors=4)
    with pytest.raises(TypeError, match='KTAdapter'):
        build(neck=dict(type='GlobalAveragePooling'))
    with pytest.raises(ValueError, match='landmarks'):
        ready(neck=dict(NECK, embed_dims=16)).loss(images(), samples())
