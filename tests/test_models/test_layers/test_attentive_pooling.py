# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import pytest
import torch

from mmfer.models.layers.attentive_pooling import (
    class_attention_scores,
    keep_count,
    patch_scores,
    soft_map,
    take_tokens,
    top_indices,
)


@pytest.mark.parametrize('criterion', ['abs', 'sum', 'max', 'square', 'max_abs'])
def test_patch_scores_equal_a_loop(criterion):
    x = torch.randn(2, 5, 7)
    join = {
        'abs': lambda v: sum(abs(c) for c in v),
        'sum': sum,
        'max': max,
        'square': lambda v: sum(c * c for c in v),
        'max_abs': lambda v: max(abs(c) for c in v),
    }[criterion]
    wanted = [[join(patch.tolist()) for patch in image] for image in x]
    torch.testing.assert_close(patch_scores(x, criterion), torch.tensor(wanted))


@pytest.mark.parametrize('criterion', ['sum', 'abs', 'max'])
def test_class_attention_scores_equal_a_loop(criterion):
    query, key = torch.randn(2, 3, 4), torch.randn(2, 6, 3, 4)
    wanted = torch.empty(2, 6)
    for b in range(2):
        for n in range(6):
            heads = [float(query[b, h] @ key[b, n, h]) for h in range(3)]
            join = {'sum': sum, 'abs': lambda v: sum(map(abs, v)), 'max': max}[criterion]
            wanted[b, n] = join(heads)
    torch.testing.assert_close(class_attention_scores(query, key, criterion), wanted)


@pytest.mark.parametrize('function', [patch_scores, class_attention_scores])
def test_unknown_criterion_names_the_allowed_ones(function):
    arguments = (torch.zeros(1, 2, 3),) * (1 if function is patch_scores else 2)
    if function is class_attention_scores:
        arguments = (torch.zeros(1, 2, 3), torch.zeros(1, 4, 2, 3))
    with pytest.raises(ValueError, match="'mean'.*'abs'"):
        function(*arguments, criterion='mean')


def test_keep_count_gives_the_published_token_counts():
    counts, patches = [], 160
    for _ in range(4):
        patches = keep_count(patches, 0.9)
        counts.append(patches + 1)
    assert counts == [145, 130, 117, 105]
    assert keep_count(3, 0.1) == 1  # at least 1


def test_top_indices_are_the_best_in_ascending_order():
    scores = torch.rand(4, 30)
    indices = top_indices(scores, 7)
    for row, kept in zip(scores.tolist(), indices.tolist(), strict=True):
        best = sorted(range(30), key=lambda i: -row[i])[:7]
        assert kept == sorted(best)


def test_take_tokens_equals_a_loop_and_passes_gradients_to_kept_tokens_only():
    x = torch.randn(3, 6, 5, requires_grad=True)
    indices = torch.tensor([[0, 2, 5], [1, 2, 3], [3, 4, 5]])
    out = take_tokens(x, indices)
    for b in range(3):
        for i in range(3):
            assert torch.equal(out[b, i], x[b, indices[b, i]])
    out.sum().backward()
    wanted = torch.zeros(3, 6).scatter_(1, indices, 1.0)
    assert torch.equal(x.grad, wanted.unsqueeze(-1).expand_as(x))


def test_take_tokens_of_a_transposed_tensor():
    x = torch.randn(2, 5, 4).transpose(1, 2)
    indices = torch.tensor([[1, 3], [0, 2]])
    assert torch.equal(take_tokens(x, indices), torch.stack((x[0, [1, 3]], x[1, [0, 2]])))


def test_soft_map_spans_zero_to_one_and_survives_a_flat_map():
    scores = torch.tensor([[1.0, 3.0, 2.0], [4.0, 4.0, 4.0]])
    assert torch.equal(soft_map(scores), torch.tensor([[0.0, 1.0, 0.5], [0.0, 0.0, 0.0]]))
