# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from mmpretrain.models.backbones.vision_transformer import TransformerEncoderLayer
from slow_blocks import slow_block

from mmfer.models.layers import ATPBlock
from mmfer.registry import MODELS

SIZES = dict(embed_dims=24, num_heads=4, feedforward_channels=48)


@pytest.mark.parametrize('criterion', ['sum', 'abs', 'max'])
@pytest.mark.parametrize('qkv_bias', [True, False])
def test_equals_the_slow_reference(criterion, qkv_bias):
    block = ATPBlock(**SIZES, keep_rate=0.6, criterion=criterion, qkv_bias=qkv_bias)
    block.init_weights()
    x = torch.randn(3, 1 + 11, 24)
    out, kept = block(x, return_indices=True)
    wanted, wanted_kept = slow_block(block, x)
    assert kept.tolist() == wanted_kept
    assert out.shape == (3, 1 + 6, 24)
    torch.testing.assert_close(out, wanted, atol=1e-5, rtol=1e-5)
    assert torch.equal(block(x), out)


@pytest.mark.parametrize('class_only', [False, True])
def test_gradients_are_those_of_the_slow_reference(class_only):
    block = ATPBlock(**SIZES, keep_rate=0.5)
    x = torch.randn(2, 11, 24, requires_grad=True)
    rows = 1 if class_only else 6
    weights = torch.randn(2, rows, 24)
    parameters = [x, *block.parameters()]
    found = torch.autograd.grad((block(x, class_only) * weights).sum(), parameters)
    wanted = torch.autograd.grad((slow_block(block, x)[0][:, :rows] * weights).sum(), parameters)
    for ours, theirs in zip(found, wanted, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize('keep_rate', [0.5, 1.0])
def test_the_class_token_alone_is_the_first_of_all_tokens(keep_rate):
    block = ATPBlock(**SIZES, keep_rate=keep_rate)
    x = torch.randn(2, 11, 24)
    whole, kept = block(x, return_indices=True)
    alone, kept_too = block(x, class_only=True, return_indices=True)
    torch.testing.assert_close(alone, whole[:, :1])
    torch.testing.assert_close(block(x, class_only=True), whole[:, :1])
    assert kept is kept_too is None if keep_rate == 1 else torch.equal(kept, kept_too)


def test_keeping_all_is_mmpretrains_layer_bit_for_bit():
    block, layer = ATPBlock(**SIZES, keep_rate=1.0), TransformerEncoderLayer(**SIZES)
    layer.load_state_dict(block.state_dict())  # exactly the same parameters
    x = torch.randn(2, 9, 24)
    out, kept = block(x, return_indices=True)
    assert kept is None
    assert torch.equal(out, layer(x))


def test_class_token_stays_even_where_nothing_else_could():
    out, kept = ATPBlock(**SIZES, keep_rate=0.01)(torch.randn(2, 5, 24), return_indices=True)
    assert out.shape[1] == 2
    assert (kept[:, 0] == 0).all()


def test_registered():
    assert isinstance(MODELS.build(dict(type='ATPBlock', **SIZES)), ATPBlock)


@pytest.mark.parametrize('rate', [0, -0.5, 1.1, float('nan')])
def test_keep_rate_outside_its_range_is_named(rate):
    with pytest.raises(ValueError, match='atp.keep_rate'):
        ATPBlock(**SIZES, keep_rate=rate)


@pytest.mark.parametrize(
    ('arguments', 'error', 'message'),
    [
        (dict(keep_rate='0.9'), TypeError, "'0.9'"),
        (dict(criterion='mean'), ValueError, "'sum'.*'mean'"),
    ],
)
def test_other_bad_arguments_are_named(arguments, error, message):
    with pytest.raises(error, match=message):
        ATPBlock(**SIZES, **arguments)
