# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import copy

import pytest
import torch
from mmpretrain.models.utils import ShiftWindowMSA
from mmpretrain.structures import DataSample

from mmfer.deployment.model import (
    Exportable,
    ExportError,
    TraceableWindowAttention,
    compute_outputs,
    replace_window_attention,
    store_outputs,
)
from mmfer.registry import MODELS

HEADS = {
    'expression': dict(type='MLPClsHead', num_classes=7),
    'plain': dict(type='LinearClsHead', num_classes=7),
    'units': dict(type='ExpressionAUHead', num_classes=7),
    'recognition': dict(type='MLPClsHead', num_classes=5, with_feat=True),
    'place': dict(type='ValenceArousalHead', activation='linear'),
    'joint': dict(
        type='ExpressionAUHead', num_classes=7, valence_arousal=dict(type='ValenceArousalHead')
    ),
    'no units': dict(
        type='ExpressionAUHead',
        num_classes=7,
        num_units=0,
        valence_arousal=dict(type='ValenceArousalHead', hidden_channels=(4,)),
    ),
    'age': dict(type='AgeHead', age_range=(39, 41), age_scale=200.0),
    'landmarks': dict(type='LandmarkHead', input_size=64),
}
FIELDS = {
    'expression': {'pred_score', 'pred_label'},
    'plain': {'pred_score', 'pred_label'},
    'units': {'pred_score', 'pred_label', 'pred_au'},
    'recognition': {'pred_score', 'pred_label', 'feat'},
    'place': {'pred_valence_arousal'},
    'joint': {'pred_score', 'pred_label', 'pred_au', 'pred_valence_arousal'},
    'no units': {'pred_score', 'pred_label', 'pred_valence_arousal'},
    'age': {'pred_age'},
    'landmarks': {'pred_landmarks'},
}


@pytest.mark.parametrize(
    ('kind', 'shape'),
    # mmpretrain's own head does not support feature maps.
    [(k, (5, 16)) for k in HEADS] + [(k, (5, 16, 2, 3)) for k in HEADS if k != 'plain'],
)
@torch.no_grad()
def test_outputs_are_what_the_head_predicts(kind, shape):
    head = MODELS.build(dict(HEADS[kind], in_channels=16)).eval()
    for value in head.parameters():
        value.add_(torch.randn_like(value) * (0.5 if kind == 'place' else 0.1))
    feats = (torch.randn(shape),)
    expected = head.predict(feats, [DataSample() for _ in range(5)])
    samples = [DataSample() for _ in range(5)]
    store_outputs(compute_outputs(head, feats), samples)
    for sample, wanted in zip(samples, expected, strict=True):
        assert set(sample.keys()) == set(wanted.keys()) == FIELDS[kind]
        for field in FIELDS[kind]:
            given, value = sample.get(field), wanted.get(field)
            assert type(given) is type(value)
            assert torch.equal(torch.as_tensor(given), torch.as_tensor(value))
    # Some predictions are clamped.
    if kind == 'place':
        assert head(feats).abs().max() > 1
    if kind == 'age':
        assert {sample.pred_age for sample in samples} & {39.0, 41.0}


@pytest.mark.parametrize(
    ('poolings', 'name'),
    [
        (dict(app=dict(keep_num=9, criterion='random')), 'backbone.app'),
        (dict(atp=dict(keep_rate=0.5, start=1, criterion='random')), 'backbone.layers.1'),
    ],
)
def test_random_selection_is_an_error(poolings, name):
    arch = dict(embed_dims=16, num_layers=2, num_heads=2, feedforward_channels=16)
    backbone = dict(type='APViT', arch=arch, img_size=32, patch_size=8, **poolings)
    head = dict(type='LinearClsHead', num_classes=3, in_channels=16)
    model = MODELS.build(dict(type='ImageClassifier', backbone=backbone, head=head))
    with pytest.raises(ExportError, match=rf'{name} .*random.*criterion'):
        Exportable(model, (32, 32))


@pytest.mark.parametrize('shift', [0, 2])
@pytest.mark.parametrize('grid', [(8, 8), (6, 10), (3, 2)])
def test_it_is_the_attention_it_replaces(shift, grid):
    """Equal bit for bit, also if the map is padded to whole windows."""
    given = ShiftWindowMSA(8, 2, window_size=4, shift_size=shift, pad_small_map=True).eval()
    torch.nn.init.normal_(given.w_msa.relative_position_bias_table)
    traceable = TraceableWindowAttention(given).eval()
    for batch in (1, 3):
        x = torch.randn(batch, grid[0] * grid[1], 8)
        assert torch.equal(traceable(x, grid), given(x, grid))


def test_every_attention_of_a_swin_is_replaced():
    arch = dict(embed_dims=8, depths=[2, 1], num_heads=[1, 2])
    swin = MODELS.build(
        dict(type='SwinTransformer', arch=arch, img_size=32, window_size=4, out_indices=(1,))
    )
    swin.eval()  # a separate statement, because Swin's eval() returns None
    copied = copy.deepcopy(swin)
    assert replace_window_attention(copied) == 3
    assert replace_window_attention(copied) == 0
    assert not any(isinstance(part, TraceableWindowAttention) for part in swin.modules())
    assert copied.state_dict().keys() == swin.state_dict().keys()
    x = torch.randn(2, 3, 32, 32)
    assert torch.equal(copied(x)[0], swin(x)[0])
    assert not any(part.training for part in copied.modules())
