# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import pytest
import torch

from mmfer.models.layers import LocalAttention


def slow_local_attention(module, x):
    """Computed position by position and branch by branch."""
    out = torch.empty_like(x)
    for b in range(x.shape[0]):
        for n in range(x.shape[1]):
            scores = []
            for branch in module.branches:
                hidden = (branch.squeeze.weight @ x[b, n] + branch.squeeze.bias).clamp_min(0)
                scores.append(branch.score.weight @ hidden + branch.score.bias)
            out[b, n] = x[b, n] * torch.sigmoid(max(scores))  # the sigmoid is increasing
    return out


def test_it_is_the_largest_map_times_the_features():
    module = LocalAttention(32, num_branches=3, lanet_form='paper').eval()
    x = torch.randn(2, 5, 32)
    torch.testing.assert_close(module(x), slow_local_attention(module, x))


def test_inference_is_deterministic_and_training_is_not():
    module = LocalAttention(32)
    x = torch.randn(8, 5, 32)
    module.eval()
    assert torch.equal(module(x), module(x))
    module.train()
    assert not torch.equal(module(x), module(x))


def test_a_sample_that_lost_a_branch_is_weighed_by_the_others():
    module = LocalAttention(32, num_branches=2, drop_rate=1.0).eval()
    module.training = True  # but not its BatchNorm
    x = torch.randn(200, 5, 32)
    first, second = module.maps(x).unbind(1)
    weighed = module(x)
    left = [torch.isclose(weighed, x * m.unsqueeze(-1)).flatten(1).all(1) for m in (first, second)]
    assert (left[0] ^ left[1]).all()
    assert left[0].float().mean() == pytest.approx(0.5, abs=0.12)


def test_every_branch_gets_a_gradient():
    module = LocalAttention(32, num_branches=2, drop_rate=0.6).train()
    module(torch.randn(50, 5, 32)).square().sum().backward()
    for branch in module.branches:
        assert branch.squeeze.weight.grad.abs().sum() > 0
        assert branch.bn2.bias.grad.abs().sum() > 0


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (dict(num_branches=0), 'num_branches.*0'),
        (dict(num_branches=1), 'mad_rate=0.6 with num_branches=1.*model.backbone.mad_rate'),
        (dict(drop_rate=1.2), 'mad_rate.*1.2'),
        (dict(in_channels=8), 'in_channels=8'),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        LocalAttention(**dict(dict(in_channels=32), **arguments))


def test_one_branch_that_is_never_dropped_is_plain_soft_attention():
    module = LocalAttention(32, num_branches=1, drop_rate=0.0).train()
    x = torch.randn(2, 5, 32)
    assert torch.equal(module(x), x * module.maps(x)[:, 0].unsqueeze(-1))
