# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from mmpretrain.models.backbones.vision_transformer import TransformerEncoderLayer

from mmfer.models.layers import ATPBlock
from mmfer.registry import MODELS

SIZES = dict(embed_dims=24, num_heads=4, feedforward_channels=48)


def slow_block(block, x):
    """The paper's block in the plainest way: explicit attention, one image and token at a time."""
    heads, size = block.attn.num_heads, block.attn.head_dims
    outputs, kept_all = [], []
    for tokens in x:
        q, k, v = (
            part.view(len(tokens), heads, size).transpose(0, 1)
            for part in block.attn.qkv(block.ln1(tokens)).chunk(3, dim=-1)
        )
        products = q @ k.transpose(1, 2) * size**-0.5
        attended = (products.softmax(dim=-1) @ v).transpose(0, 1).flatten(1)
        tokens = tokens + block.attn.proj(attended)
        scores = {
            'sum': products[:, 0, 1:].sum(0),
            'abs': products[:, 0, 1:].abs().sum(0),
            'max': products[:, 0, 1:].max(0)[0],
        }[block.criterion]
        keep = max(int((len(tokens) - 1) * block.keep_rate), 1)
        best = sorted(range(len(scores)), key=lambda n: -float(scores[n]))[:keep]
        kept = [0] + [n + 1 for n in sorted(best)]
        outputs.append(
            torch.stack([tokens[n] + block.ffn.layers(block.ln2(tokens[n])) for n in kept])
        )
        kept_all.append(kept)
    return torch.stack(outputs), kept_all


@pytest.mark.parametrize('computation', ['lean', 'paper'])
@pytest.mark.parametrize('criterion', ['sum', 'abs', 'max'])
@pytest.mark.parametrize('qkv_bias', [True, False])
def test_equals_the_slow_reference(computation, criterion, qkv_bias):
    block = ATPBlock(
        **SIZES, keep_rate=0.6, criterion=criterion, computation=computation, qkv_bias=qkv_bias
    )
    block.init_weights()
    x = torch.randn(3, 1 + 11, 24)
    out, kept = block.forward_with_indices(x)
    wanted, wanted_kept = slow_block(block, x)
    assert kept.tolist() == wanted_kept
    assert out.shape == (3, 1 + 6, 24)
    torch.testing.assert_close(out, wanted, atol=1e-5, rtol=1e-5)
    assert torch.equal(block(x), out)


def test_both_ways_of_computing_have_the_same_gradients():
    lean = ATPBlock(**SIZES, keep_rate=0.5)
    paper = ATPBlock(**SIZES, keep_rate=0.5, computation='paper')
    paper.load_state_dict(lean.state_dict())
    weights = torch.randn(2, 6, 24)
    grads = []
    for block in (lean, paper):
        torch.manual_seed(1)
        x = torch.randn(2, 11, 24, requires_grad=True)
        (block(x) * weights).sum().backward()
        grads.append([x.grad, *(p.grad for p in block.parameters())])
    for ours, theirs in zip(*grads, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)


def test_keeping_all_is_mmpretrains_layer_bit_for_bit():
    block, layer = ATPBlock(**SIZES, keep_rate=1.0), TransformerEncoderLayer(**SIZES)
    layer.load_state_dict(block.state_dict())  # no parameter more or less
    x = torch.randn(2, 9, 24)
    out, kept = block.forward_with_indices(x)
    assert kept is None
    assert torch.equal(out, layer(x))


def test_class_token_stays_even_where_nothing_else_could():
    out, kept = ATPBlock(**SIZES, keep_rate=0.01).forward_with_indices(torch.randn(2, 5, 24))
    assert out.shape[1] == 2
    assert (kept[:, 0] == 0).all()


def test_registered():
    assert isinstance(MODELS.build(dict(type='ATPBlock', **SIZES)), ATPBlock)


@pytest.mark.parametrize('rate', [0, -0.5, 1.1, float('nan')])
def test_keep_rate_outside_its_range_is_named(rate):
    with pytest.raises(ValueError, match=r'atp.keep_rate must be in \(0, 1\]'):
        ATPBlock(**SIZES, keep_rate=rate)


@pytest.mark.parametrize(
    ('arguments', 'error', 'message'),
    [
        (dict(keep_rate='0.9'), TypeError, "'0.9'"),
        (dict(criterion='mean'), ValueError, "'sum'.*'mean'"),
        (dict(computation='fast'), ValueError, "'lean'.*'fast'"),
    ],
)
def test_other_bad_arguments_are_named(arguments, error, message):
    with pytest.raises(error, match=message):
        ATPBlock(**SIZES, **arguments)
