# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from mmpretrain.models.backbones.vision_transformer import TransformerEncoderLayer

from mmfer.models.layers import EncoderLayer


def test_it_is_mmpretrains_layer_bit_for_bit():
    ours, theirs = EncoderLayer(24, 4, 48), TransformerEncoderLayer(24, 4, 48)
    theirs.load_state_dict(ours.state_dict())  # exactly the same parameters
    x = torch.randn(3, 10, 24)
    assert torch.equal(ours(x), theirs(x))


@pytest.mark.parametrize('qkv_bias', [True, False])
def test_class_token_alone_equals_the_whole_layer(qkv_bias):
    layer = EncoderLayer(24, 4, 48, qkv_bias=qkv_bias, layer_scale_init_value=0.1)
    x = torch.randn(3, 10, 24)
    torch.testing.assert_close(layer(x, class_only=True), layer(x)[:, :1])


def test_gradients_are_those_of_the_whole_layer():
    layer = EncoderLayer(24, 4, 48, qkv_bias=True)
    x = torch.randn(3, 10, 24, requires_grad=True)
    parameters = [x, *layer.parameters()]
    found = torch.autograd.grad(layer(x, class_only=True).sin().sum(), parameters)
    wanted = torch.autograd.grad(layer(x)[:, :1].sin().sum(), parameters)
    for ours, theirs in zip(found, wanted, strict=True):
        torch.testing.assert_close(ours, theirs)
