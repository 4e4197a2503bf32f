# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import pytest
import torch
import torch.nn.functional as F

from mmfer.registry import MODELS

REFERENCES = {
    'L1Loss': lambda x: F.l1_loss(x, torch.zeros_like(x), reduction='none'),
    'MSELoss': lambda x: F.mse_loss(x, torch.zeros_like(x), reduction='none'),
    'SmoothL1Loss': lambda x: torch.where(x.abs() < 1, x**2 / 2, x.abs() - 0.5),
}


@pytest.mark.parametrize('name', REFERENCES)
def test_reduction_over_the_numbers_of_a_sample_then_over_samples(name):
    pred, target = torch.randn(4, 98, 2) * 2, torch.randn(4, 98, 2) * 2
    each = REFERENCES[name](pred - target)
    assert 0 < ((pred - target).abs() < 1).sum() < pred.numel()
    mean = MODELS.build(dict(type=name))(pred, target)
    torch.testing.assert_close(mean, each.mean())
    total = MODELS.build(dict(type=name, reduction='sum', loss_weight=0.5))(pred, target)
    torch.testing.assert_close(total, 0.5 * each.sum() / 4)
    weight = torch.tensor([1.0, 0.0, 2.0, 0.0])
    weighted = MODELS.build(dict(type=name))(pred, target, weight=weight, avg_factor=2)
    torch.testing.assert_close(weighted, (weight * each.mean((1, 2))).sum() / 2)


def test_smooth_l1_is_a_parabola_up_to_beta():
    loss = MODELS.build(dict(type='SmoothL1Loss', beta=4.0))
    for error, expected in ((2.0, 0.5), (4.0, 2.0), (10.0, 8.0)):
        assert loss(torch.tensor([error]), torch.zeros(1)).item() == pytest.approx(expected)


@pytest.mark.parametrize('name', REFERENCES)
def test_half_precision_is_computed_in_float32(name):
    pred = torch.tensor([[0.0, 223.5]], dtype=torch.bfloat16)
    target = torch.tensor([[0.25, 223.4]])
    loss = MODELS.build(dict(type=name))(pred, target)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, REFERENCES[name](pred.float() - target).mean())


@pytest.mark.parametrize('name', REFERENCES)
def test_wrong_arguments_and_shapes(name):
    with pytest.raises(ValueError, match=f"{name}: reduction .*'mean', 'sum'.*'none'"):
        MODELS.build(dict(type=name, reduction='none'))
    with pytest.raises(ValueError, match=rf'{name}: prediction .*\(4, 1\).*target .*\(4,\)'):
        MODELS.build(dict(type=name))(torch.zeros(4, 1), torch.zeros(4))


@pytest.mark.parametrize('beta', [0, -1, float('inf')])
def test_beta_is_above_zero(beta):
    with pytest.raises(ValueError, match='beta '):
        MODELS.build(dict(type='SmoothL1Loss', beta=beta))
