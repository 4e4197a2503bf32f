# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import copy

import pytest
import torch
from slow_blocks import slow_output

from mmfer.models import APViT, TransFER
from mmfer.registry import MODELS

ARCH = dict(embed_dims=32, num_layers=3, num_heads=4, feedforward_channels=48)
CNN = dict(type='IRNet', depth=18, num_stages=3, base_channels=4)


def build(**arguments):
    settings = dict(type='TransFER', cnn=CNN, arch=ARCH, img_size=48)  # a grid of 6x6
    settings.update(arguments)
    model = MODELS.build(copy.deepcopy(settings))
    with torch.no_grad():  # not the zeros of a new model
        model.pos_embed.normal_(std=0.5)
        model.cls_token.normal_(std=0.5)
    return model.eval()


def test_names_and_defaults():
    model = build()
    assert isinstance(model, TransFER)
    assert len(model.local.branches) == 2 and model.local.drop_rate == 0.6
    assert [layer.attn.proj.drop_rate for layer in model.layers] == [0.3] * 3
    model = build(num_branches=4, mad_rate=0.2, msad_rate=0.1)
    assert len(model.local.branches) == 4 and model.local.drop_rate == 0.2
    assert model.layers[2].attn.proj.drop_rate == 0.1


def test_inference_is_apvit_over_weighed_features():
    model, plain = build(), build(type='APViT')
    assert type(plain) is APViT
    report = plain.load_state_dict(model.state_dict(), strict=False)
    assert not report.missing_keys
    assert all(name.startswith('local.') for name in report.unexpected_keys)
    x = torch.randn(2, 3, 48, 48)
    assert not torch.allclose(model(x)[0], plain(x)[0])
    # Move the local branches into the CNN.
    plain.cnn.register_forward_hook(
        lambda _, __, out: model.local(out[-1].flatten(2).transpose(1, 2)).mT.unflatten(2, (6, 6))
    )
    assert torch.equal(model(x)[0], plain(x)[0])


def test_dropping_is_in_training_only_and_in_every_block():
    model = build(mad_rate=0.0, msad_rate=1.0)
    x = torch.randn(4, 3, 48, 48)
    whole = model(x)[0]
    assert torch.equal(whole, model(x)[0])
    for index, layer in enumerate(model.layers):  # dropping in one block changes the output
        layer.attn.proj.train()
        changed = model(x)[0] != whole
        assert changed.any(dim=1).all(), f'block {index} drops nothing'
        layer.attn.proj.eval()
    assert torch.equal(whole, model(x)[0])


def test_without_rates_training_is_deterministic():
    model = build(mad_rate=0.0, msad_rate=0.0)
    x = torch.randn(16, 3, 48, 48)
    model.train()
    model.cnn.eval()  # its BatchNorm would use the batch
    assert torch.equal(model(x)[0], model(x)[0])
    model.local.drop_rate = 0.9
    assert not torch.equal(model(x)[0], model(x)[0])


def test_equals_the_slow_reference():
    model = build()
    x = torch.randn(3, 3, 48, 48)
    torch.testing.assert_close(model(x)[0], slow_output(model, x), atol=1e-5, rtol=1e-4)


def test_the_weights_of_apvit_fit(tmp_path):
    source = build(type='APViT')
    path = tmp_path / 'apvit.pth'
    torch.save(dict(state_dict=source.state_dict()), path)
    model = build(init_cfg=dict(type='Pretrained', checkpoint=str(path)))
    model.init_weights()
    state = model.state_dict()
    for name, value in source.state_dict().items():
        assert torch.equal(state[name], value), name


def test_all_parameters_learn():
    model = build().train()
    model(torch.randn(8, 3, 48, 48))[0].square().sum().backward()
    without = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    # BatchNorm removes the bias of the layer before it.
    assert not [name for name in without if not name.endswith(('squeeze.bias', 'score.bias'))]


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (dict(cnn=None), 'model.backbone.cnn.*got None'),
        (dict(msad_rate=1.5), 'msad_rate.*1.5'),
        (dict(mad_rate=-1), 'mad_rate.*-1'),
        (dict(num_branches=1), 'mad_rate=0.6 with num_branches=1'),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        build(**arguments)
