# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import math

import numpy as np
import pytest
import torch

from mmfer.models.losses import WingLoss, wing
from mmfer.registry import MODELS


def published(x, omega, epsilon):
    """The formula, number by number."""
    constant = omega - omega * math.log(1 + omega / epsilon)
    values = [
        omega * math.log(1 + abs(v) / epsilon) if abs(v) < omega else abs(v) - constant
        for v in x.flatten().tolist()
    ]
    return np.array(values).reshape(x.shape)


@pytest.mark.parametrize(('omega', 'epsilon'), [(10, 2), (5, 0.5), (14, 3)])
def test_equals_the_published_formula_on_both_branches(omega, epsilon):
    x = np.linspace(-3 * omega, 3 * omega, 241)
    assert (np.abs(x) < omega).sum() > 50 and (np.abs(x) >= omega).sum() > 50
    result = wing(torch.from_numpy(x), omega, epsilon)
    np.testing.assert_allclose(result, published(x, omega, epsilon), rtol=1e-12)


@pytest.mark.parametrize('sign', [-1, 1])
def test_branches_meet(sign):
    below, at, above = wing(sign * torch.tensor([10 - 1e-9, 10, 10 + 1e-9], dtype=torch.float64))
    assert below == pytest.approx(at.item(), abs=1e-8)
    assert above == pytest.approx(at.item(), abs=1e-8)
    assert at == pytest.approx(10 * math.log(6))


def test_gradient_is_that_of_the_formula():
    x = torch.tensor([-30.0, -9.0, -0.5, 0.5, 9.0, 30.0], dtype=torch.float64, requires_grad=True)
    wing(x).sum().backward()
    inner = 10 / (2 + x.detach().abs())
    expected = x.detach().sign() * torch.where(x.detach().abs() < 10, inner, torch.ones_like(x))
    torch.testing.assert_close(x.grad, expected)
    assert torch.autograd.gradcheck(wing, (x,))


def test_no_error_has_no_loss_and_no_gradient():
    x = torch.zeros(3, requires_grad=True)
    loss = wing(x).sum()
    loss.backward()
    assert loss == 0 and (x.grad == 0).all()


def test_reduction_over_the_numbers_of_a_sample_then_over_samples():
    pred, target = torch.randn(4, 98, 2) * 20, torch.randn(4, 98, 2) * 20
    each = published((pred - target).numpy(), 10, 2)
    loss = MODELS.build(dict(type='WingLoss'))
    assert loss(pred, target) == pytest.approx(each.mean(), rel=1e-5)
    loss = MODELS.build(dict(type='WingLoss', reduction='sum', loss_weight=0.5))
    assert loss(pred, target) == pytest.approx(0.5 * each.sum() / 4, rel=1e-5)


def test_weight_and_avg_factor_are_about_samples():
    pred, target = torch.randn(3, 5) * 20, torch.zeros(3, 5)
    each = published(pred.numpy(), 10, 2).mean(axis=1)
    loss = MODELS.build(dict(type='WingLoss'))
    weight = torch.tensor([1.0, 0.0, 2.0])
    assert loss(pred, target, weight=weight, avg_factor=2) == pytest.approx(
        (each[0] + 2 * each[2]) / 2, rel=1e-5
    )


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(dtype):
    pred = torch.tensor([[0.0, 223.5, 60000.0]], dtype=dtype, requires_grad=True)
    target = torch.tensor([[0.25, 223.4, -60000.0]])
    loss = MODELS.build(dict(type='WingLoss'))(pred, target)
    expected = published((pred.detach().double() - target.double()).numpy(), 10, 2).mean()
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(expected, rel=1e-5)
    loss.backward()
    assert pred.grad.isfinite().all()


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (dict(omega=0), 'omega .*0'),
        (dict(epsilon=-1), 'epsilon .*-1'),
        (dict(omega=float('inf')), 'omega .*inf'),
        (dict(reduction='none'), "reduction .*'mean', 'sum'.*'none'"),
        (dict(reduction='max'), "reduction .*'mean', 'sum'.*'max'"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        MODELS.build(dict(type='WingLoss', **arguments))


def test_broadcasting_is_an_error():
    with pytest.raises(ValueError, match=r'prediction .*\(4, 1\).*target .*\(4,\)'):
        WingLoss()(torch.zeros(4, 1), torch.zeros(4))
