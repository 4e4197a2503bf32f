# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import pytest
import torch

from mmfer.analysis.relevance_rules import divide, through_linear, through_product, through_sum


def normal(*shape):
    return torch.randn(*shape, dtype=torch.float64)


def test_linear_shares_in_proportion_to_what_adds_up():
    x, weight, relevance = normal(1, 4), normal(3, 4), normal(1, 3)
    wanted = torch.zeros(1, 4).double()
    for o in range(3):
        positive = [max(float(x[0, i] * weight[o, i]), 0) for i in range(4)]
        for i in range(4):
            wanted[0, i] += relevance[0, o] * positive[i] / sum(positive)
    torch.testing.assert_close(through_linear(relevance, x, weight), wanted)


def test_product_shares_by_terms_and_halves():
    left, right, relevance = normal(1, 2, 3), normal(1, 3, 4), normal(1, 2, 4)
    of_left, of_right = torch.zeros(2, 3).double(), torch.zeros(3, 4).double()
    for i in range(2):
        for k in range(4):
            terms = [left[0, i, j] * right[0, j, k] for j in range(3)]
            for j in range(3):
                share = relevance[0, i, k] * terms[j] / sum(terms) / 2
                of_left[i, j] += share
                of_right[j, k] += share
    found = through_product(relevance, left, right)
    torch.testing.assert_close(found[0][0], of_left, rtol=1e-5, atol=1e-7)
    torch.testing.assert_close(found[1][0], of_right, rtol=1e-5, atol=1e-7)


def test_sum_is_normalized_by_absolute_sums():
    one = torch.tensor([[2.0, 1.0]]).double()
    other = torch.tensor([[-1.0, 3.0]]).double()
    relevance = torch.tensor([[1.0, 2.0]]).double()
    # Both sums, 2.5 and 0.5, are positive: nothing to normalize.
    found = through_sum(relevance, one, other)
    torch.testing.assert_close(found[0], one.new_tensor([[2.0, 0.5]]))
    torch.testing.assert_close(found[1], one.new_tensor([[-1.0, 1.5]]))
    # Shares of -2 and 3 have the ratio 2 to 3 afterwards.
    found = through_sum(relevance[:, :1], one[:, :1], -1.5 * one[:, :1])
    torch.testing.assert_close(found[0].item(), 0.4)
    torch.testing.assert_close(found[1].item(), 0.6)


def test_every_sample_gets_what_it_has():
    relevance = normal(3, 5, 4)
    wanted = relevance.sum((1, 2))
    one, other = through_sum(relevance, normal(3, 5, 4), normal(3, 5, 4))
    torch.testing.assert_close((one + other).sum((1, 2)), wanted)
    left, right = through_product(relevance, normal(3, 5, 6), normal(3, 6, 4))
    for part in (left, right):
        torch.testing.assert_close(part.sum((1, 2)), wanted / 2, rtol=1e-4, atol=1e-5)
    x = normal(3, 5, 7)
    torch.testing.assert_close(through_linear(relevance, x, normal(4, 7)).sum((1, 2)), wanted)


def test_a_sample_does_not_depend_on_the_others():
    relevance, one, other = normal(3, 5), normal(3, 5), normal(3, 5)
    both = through_sum(relevance, one, other)
    alone = through_sum(relevance[1:2], one[1:2], other[1:2])
    for found, wanted in zip(both, alone, strict=True):
        torch.testing.assert_close(found[1:2], wanted)


@pytest.mark.parametrize('total', [0.0, -0.0])
def test_an_output_of_zero_passes_no_relevance_back(total):
    assert divide(torch.tensor([3.0]), torch.tensor([total])).item() == 0
    zeros = torch.zeros(1, 2)
    assert not torch.stack(through_sum(torch.ones(1, 2), zeros, zeros)).any()
    assert not through_linear(torch.ones(1, 3), zeros, torch.ones(3, 2)).any()
