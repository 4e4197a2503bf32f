# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from unittest import mock

import pytest
import torch
import torch.nn.functional as F
from mmpretrain.models.backbones.vision_transformer import TransformerEncoderLayer

from mmfer.models.layers.partial_attention import attend_from_first, class_token_forward


@pytest.mark.parametrize('qkv_bias', [True, False])
def test_class_token_alone_equals_the_whole_layer(qkv_bias):
    layer = TransformerEncoderLayer(24, 4, 48, qkv_bias=qkv_bias, layer_scale_init_value=0.1)
    x = torch.randn(3, 10, 24)
    torch.testing.assert_close(class_token_forward(layer, x), layer(x)[:, :1])


def test_gradients_are_those_of_the_whole_layer():
    layer = TransformerEncoderLayer(24, 4, 48, qkv_bias=True)
    x = torch.randn(3, 10, 24, requires_grad=True)
    parameters = [x, *layer.parameters()]
    found = torch.autograd.grad(class_token_forward(layer, x).sin().sum(), parameters)
    wanted = torch.autograd.grad(layer(x)[:, :1].sin().sum(), parameters)
    for ours, theirs in zip(found, wanted, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_dropped_weights_scale_the_value_bias_too():
    layer = TransformerEncoderLayer(24, 4, 48, attn_drop_rate=0.5, qkv_bias=True)
    attn = layer.attn
    y = torch.randn(3, 10, 24)
    kept = (torch.rand(3, 4, 1, 10) < 0.5) / 0.5
    query, key, value = (
        t.unflatten(-1, (4, 6)).transpose(1, 2) for t in attn.qkv(y).chunk(3, dim=-1)
    )
    weights = (query[:, :, :1] @ key.transpose(2, 3) * 6**-0.5).softmax(-1) * kept
    wanted = attn.proj((weights @ value).transpose(1, 2).flatten(2))
    with mock.patch.object(F, 'dropout', lambda w, rate, *_: w * kept.squeeze(2) if rate else w):
        torch.testing.assert_close(attend_from_first(attn, y), wanted)
