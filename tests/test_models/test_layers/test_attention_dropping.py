# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from torch import nn

from mmfer.models.layers.attention_dropping import HeadDroppingLinear, drop_one

# With this many, shares are within 0.02 of the probabilities in 99.99 % of all runs.
MANY = 10_000


def dropped(x, rate):
    """Return which slices of ones are dropped, ``(B, S)``; a slice must be dropped as a whole."""
    gone = drop_one(x, rate).flatten(2) == 0
    assert torch.equal(gone.all(-1), gone.any(-1))
    return gone.all(-1)


@pytest.mark.parametrize(('slices', 'rate'), [(2, 0.6), (5, 0.3), (3, 1.0), (1, 0.5)])
def test_at_most_one_slice_is_lost_all_alike_with_the_rate(slices, rate):
    gone = dropped(torch.ones(MANY, slices, 2, 3), rate)
    assert gone.sum(1).max() == 1
    assert gone.any(1).float().mean() == pytest.approx(rate, abs=0.02)
    for share in gone.float().mean(0):
        assert share == pytest.approx(rate / slices, abs=0.02)


def test_samples_lose_independently_of_each_other():
    gone = dropped(torch.ones(MANY, 4, 1), 0.5).any(1)
    pairs = gone.view(-1, 2).float()
    assert pairs.prod(1).mean() == pytest.approx(0.25, abs=0.02)


def test_kept_slices_are_unchanged_and_dropped_ones_have_no_gradient():
    x = torch.randn(64, 3, 4, requires_grad=True)
    out = drop_one(x, 0.6)
    kept = out != 0
    assert torch.equal(out[kept], x[kept])
    out.sum().backward()
    assert torch.equal(x.grad, kept.float())


def test_without_a_rate_nothing_is_drawn():
    x = torch.randn(4, 3, 2)
    state = torch.get_rng_state()
    assert drop_one(x, 0.0) is x
    assert torch.equal(state, torch.get_rng_state())


def test_a_head_is_lost_for_all_tokens_before_the_projection():
    layer = HeadDroppingLinear(12, num_heads=3, drop_rate=1.0)
    with torch.no_grad():
        layer.weight.copy_(torch.eye(12))
        layer.bias.zero_()
    out = layer.train()(torch.ones(MANY // 10, 5, 12))
    heads = out.unflatten(-1, (3, 4))  # channels of a head are contiguous
    gone = (heads == 0).all(dim=3).all(dim=1)
    assert (gone.sum(1) == 1).all()
    assert torch.equal(heads.sum(dim=(1, 3)), 20.0 * ~gone)
    for share in gone.float().mean(0):
        assert share == pytest.approx(1 / 3, abs=0.06)


def test_in_inference_it_is_the_linear_layer():
    layer = HeadDroppingLinear(12, num_heads=3, drop_rate=1.0).eval()
    plain = nn.Linear(12, 12)
    plain.load_state_dict(layer.state_dict())
    x = torch.randn(2, 5, 12)
    assert torch.equal(layer(x), plain(x))
    assert layer.train()(x).ne(plain(x)).any()


@pytest.mark.parametrize(
    ('rate', 'error'), [(1.5, ValueError), (-0.1, ValueError), ('a', TypeError)]
)
def test_bad_rates_are_named(rate, error):
    with pytest.raises(error, match=f'msad_rate.*{rate}'):
        HeadDroppingLinear(12, 3, rate)
