# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
import torch
from mmpretrain.models.utils import MultiheadAttention

from mmfer.analysis.attention_rollout import (
    READ_BY,
    attention_weights,
    join_heads,
    positions_at_blocks,
    rollout,
)
from mmfer.models.layers import EncoderLayer

PATCHES = 9


def random_rows(*shape):
    return torch.randn(*shape, dtype=torch.float64).mul(2).softmax(-1)


def plain_rollout(weights):
    """Compute Abnar and Zuidema's recursion entry by entry, for one image without pooling."""
    size = len(weights[0])
    product = np.eye(size)
    for attention in weights:
        mixed = np.zeros((size, size))
        for i in range(size):
            for j in range(size):
                for k in range(size):
                    own = 0.5 * float(attention[i, k]) + 0.5 * (i == k)
                    mixed[i, j] += own * product[k, j]
        product = mixed
    return product


def masked_rollout(logits, positions):
    """Compute the same over all tokens of the grid; dropped ones are masked and not changed."""
    size = logits[0].shape[-1]
    product = torch.eye(size, dtype=torch.float64)
    for attention, alive in zip(logits, positions, strict=False):
        seen = torch.zeros(size, dtype=torch.bool)
        seen[0] = True
        seen[1 + alive] = True
        weights = attention.masked_fill(~seen, -torch.inf).softmax(-1)
        mixed = 0.5 * weights + 0.5 * torch.eye(size)
        mixed[~seen] = torch.eye(size, dtype=torch.float64)[~seen]
        product = mixed @ product
    return product


def nested_positions(counts):
    """Return the positions of ``counts`` patches for two images, each a subset of the previous."""
    images = [[torch.arange(PATCHES)], [torch.arange(PATCHES)]]
    for left in images:
        for count in counts:
            selected = torch.randperm(len(left[-1]))[:count].sort().values
            left.append(left[-1][selected])
    return [torch.stack(pair) for pair in zip(images[0][1:], images[1][1:], strict=True)]


def test_without_pooling_it_is_plain_rollout():
    weights = [random_rows(2, 1 + PATCHES, 1 + PATCHES) for _ in range(3)]
    positions = positions_at_blocks({}, 3, PATCHES, batch=2)
    relevance = rollout(weights, positions, PATCHES)
    for image in range(2):
        wanted = plain_rollout([w[image] for w in weights])
        np.testing.assert_allclose(relevance[image], wanted, atol=1e-12)


# At the input of the first to fourth block, and after the last.
@pytest.mark.parametrize('counts', [(9, 9, 6, 6, 4), (7, 7, 5, 3, 2), (5, 4, 3, 2, 1)])
def test_with_pooling_it_is_rollout_over_all_tokens_of_which_some_are_masked(counts):
    positions = nested_positions(counts)
    logits = torch.randn(4, 2, 1 + PATCHES, 1 + PATCHES, dtype=torch.float64) * 2
    weights = []
    for block in range(4):
        there = torch.nn.functional.pad(positions[block] + 1, (1, 0))
        rows = [logits[block, image][there[image]][:, there[image]] for image in range(2)]
        weights.append(torch.stack(rows).softmax(-1))
    relevance = rollout(weights, positions, PATCHES)
    assert relevance.shape == (2, 1 + counts[-1], 1 + PATCHES)
    for image in range(2):
        wanted = masked_rollout(logits[:, image], [p[image] for p in positions])
        left = torch.nn.functional.pad(positions[-1][image] + 1, (1, 0))
        torch.testing.assert_close(relevance[image], wanted[left])
    torch.testing.assert_close(relevance.sum(-1), torch.ones(2, 1 + counts[-1]).double())
    never = torch.ones(2, PATCHES).scatter(1, positions[0], 0).bool()
    assert (relevance[..., 1:].transpose(1, 2)[never] == 0).all()
    assert (relevance[:, 0, 1:].gather(1, positions[0]) > 0).all()


def test_a_dropped_token_keeps_what_it_had_passed_on():
    """Two patches, the second dropped after the first block; values computed by hand."""
    first = torch.tensor([[[0.2, 0.3, 0.5], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]])
    second = torch.tensor([[[0.6, 0.4], [0.0, 1.0]]])
    positions = [torch.tensor([[0, 1]]), torch.tensor([[0]]), torch.tensor([[0]])]
    relevance = rollout([first, second], positions, 2)
    # [class] after the first block: (0.6, 0.15, 0.25); then 0.8 of that and 0.2 of patch 0.
    torch.testing.assert_close(
        relevance[0], torch.tensor([[0.48, 0.12 + 0.2, 0.2], [0.0, 1.0, 0.0]])
    )


def test_positions_follow_the_poolings():
    left = {'app': torch.tensor([[0, 2, 5]]), 'layers.1': torch.tensor([[2, 5]])}
    positions = positions_at_blocks(left, 3, PATCHES, batch=1)
    assert [p[0].tolist() for p in positions] == [[0, 2, 5], [0, 2, 5], [2, 5], [2, 5]]
    positions = positions_at_blocks({}, 2, 3, batch=2)
    assert [p.tolist() for p in positions] == [[[0, 1, 2]] * 2] * 3


def test_heads_are_joined_to_rows_of_sum_one():
    weights = random_rows(2, 3, 5, 5)
    mean, largest = join_heads(weights), join_heads(weights, 'max')
    torch.testing.assert_close(mean[1, 2, 4], weights[1, :, 2, 4].mean())
    for joined in (mean, largest):
        torch.testing.assert_close(joined.sum(-1), torch.ones(2, 5).double())
    unscaled = torch.stack([weights[1, h, 2] for h in range(3)]).max(0).values
    torch.testing.assert_close(largest[1, 2], unscaled / unscaled.sum())
    with pytest.raises(ValueError, match="heads.*'sum'"):
        join_heads(weights, 'sum')


@pytest.mark.parametrize('qkv_bias', [True, False])
def test_weights_are_those_the_layer_attends_with(qkv_bias):
    attn = MultiheadAttention(12, 3, qkv_bias=qkv_bias).eval()
    y = torch.randn(2, 5, 12)
    value = attn.qkv(y)[..., 24:].unflatten(-1, (3, 4)).transpose(1, 2)
    mixed = (attention_weights(attn, y) @ value).transpose(1, 2).flatten(2)
    torch.testing.assert_close(attn.proj(mixed), attn(y))


def test_what_heads_read():
    relevance = random_rows(2, 4, 10)
    torch.testing.assert_close(READ_BY['cls_token'](relevance), relevance[:, 0])
    average = (relevance[:, 1] + relevance[:, 2] + relevance[:, 3]) / 3
    torch.testing.assert_close(READ_BY['avg_featmap'](relevance), average)


def test_what_does_not_fit_together_is_named():
    weights = [random_rows(1, 10, 10)] * 2
    with pytest.raises(ValueError, match='positions.*got 2'):
        rollout(weights, positions_at_blocks({}, 1, PATCHES, 1), PATCHES)
    with pytest.raises(ValueError, match='block 1.*4 patches'):
        rollout(weights, nested_positions((9, 4, 4)), PATCHES)


def test_attention_has_the_scale_of_its_layer():
    usual, layer = EncoderLayer(16, 4, 16), EncoderLayer(16, 4, 16, qk_scale=0.125)
    y = torch.randn(2, 5, 16)
    with torch.no_grad():
        usual.load_state_dict(layer.state_dict())
        for parameter in (usual.attn.qkv.weight, usual.attn.qkv.bias):
            parameter[:16] *= 0.125 / 4**-0.5
    torch.testing.assert_close(attention_weights(layer.attn, y), attention_weights(usual.attn, y))
    torch.testing.assert_close(layer.attn(y), usual.attn(y))
