# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import pytest
import torch

from mmfer.benchmark.plain_apvit import PlainAPViT, wide_gather, wide_top_k
from mmfer.deployment.untrained import shake_weights
from mmfer.models import APViT, TransFER

ARCH = dict(embed_dims=32, num_layers=4, num_heads=4, feedforward_channels=48)
CNN = dict(type='IRNet', depth=18, num_stages=3, base_channels=4)


def build(kind=APViT, **arguments) -> APViT:
    model = kind(**{**dict(cnn=CNN, arch=ARCH, img_size=48), **arguments})
    shake_weights(model)
    return model.eval()


@pytest.mark.parametrize('select', [wide_gather, wide_top_k])
@pytest.mark.parametrize(
    'pooling',
    [
        {},
        dict(app=dict(keep_num=20)),
        dict(app=dict(keep_num=12), atp=dict(keep_rate=0.6)),
        dict(app=dict(keep_num=12), atp=dict(keep_rate=0.6), out_type='avg_featmap'),
    ],
    ids=['none', 'app', 'app and atp', 'average'],
)
@torch.no_grad()
def test_outputs_equal_apvits(select, pooling):
    model = build(**pooling, qkv_bias=False)
    x = torch.randn(3, 3, 48, 48)
    torch.testing.assert_close(PlainAPViT(model, select)(x), model(x), atol=1e-4, rtol=0)


@torch.no_grad()
def test_outputs_equal_apvits_at_the_published_size():
    model = build(
        cnn=dict(type='IRNet'),
        arch='small',
        img_size=112,
        qkv_bias=False,
        app=dict(keep_num=80),
        atp=dict(keep_rate=0.6),
    )
    x = torch.randn(1, 3, 112, 112)
    torch.testing.assert_close(PlainAPViT(model)(x), model(x), atol=1e-4, rtol=0)


def test_it_has_the_models_own_weights():
    model = build()
    plain = PlainAPViT(model)
    assert {id(p) for p in plain.parameters()} == {id(p) for p in model.parameters()}


@pytest.mark.parametrize(
    ('kind', 'arguments', 'message'),
    [
        (TransFER, {}, 'TransFER'),
        (APViT, dict(cnn=None), 'APViT with a CNN'),
        (APViT, dict(out_type='raw'), "out_type='raw'"),
        (APViT, dict(app=dict(keep_num=9, criterion='max')), "app.criterion='max'"),
        (APViT, dict(atp=dict(keep_rate=0.5, criterion='abs')), "atp.criterion='abs'"),
        (APViT, dict(layer_cfg=dict(act_cfg=dict(type='ReLU'))), "act_cfg='ReLU"),
        (APViT, dict(layer_cfg=dict(layer_scale_init_value=0.1)), "scale_init_value='above 0'"),
    ],
)
def test_other_variants_are_errors(kind, arguments, message):
    with pytest.raises(ValueError, match=message):
        PlainAPViT(build(kind, **arguments))
