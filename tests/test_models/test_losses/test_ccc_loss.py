# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
import torch

from mmfer.models.losses import concordance_correlation
from mmfer.registry import MODELS


def slow_ccc(x, y):
    """Lin's definition in NumPy."""
    covariance = np.mean((x - x.mean()) * (y - y.mean()))
    return 2 * covariance / (x.var() + y.var() + (x.mean() - y.mean()) ** 2)


def build(**kwargs):
    return MODELS.build(dict(type='CCCLoss', **kwargs))


def batch(num=20):
    pred, target = torch.rand(2, num, 2) * 2 - 1
    return 0.4 * pred + 0.3 * target, target


def test_it_is_one_minus_the_mean_of_both():
    pred, target = batch()
    each = [slow_ccc(pred[:, i].numpy(), target[:, i].numpy()) for i in (0, 1)]
    found = concordance_correlation(pred, target, torch.ones(20))
    np.testing.assert_allclose(found, each, rtol=1e-5)
    assert build()(pred, target).item() == pytest.approx(1 - np.mean(each), rel=1e-5)
    assert build(loss_weight=3)(pred, target).item() == pytest.approx(3 - 3 * np.mean(each))


def test_it_asks_for_order_range_and_mean():
    _, target = batch()
    for pred, expected in ((target, 0), (-target + 2 * target.mean(0), 2)):
        assert build()(pred, target).item() == pytest.approx(expected, abs=1e-5)
    assert build()(target + 0.5, target) > 0.05 and build()(2 * target, target) > 0.05


def test_samples_without_weight_change_nothing():
    pred, target = (x.requires_grad_() for x in batch(6))
    weight = torch.tensor([1.0, 0, 1, 1, 0, 1])
    loss = build()(pred, target, weight=weight, avg_factor=4)
    kept = weight > 0
    torch.testing.assert_close(loss, build()(pred[kept], target[kept]))
    (gradient,) = torch.autograd.grad(loss, pred)
    assert not gradient[~kept].any() and gradient[kept].any(dim=1).all()


def test_the_gradient_is_that_of_finite_differences():
    pred, target = (x.double() for x in batch(5))
    weight = torch.tensor([1.0, 1, 0, 2, 1], dtype=torch.float64)
    assert torch.autograd.gradcheck(
        lambda x: build()(x, target, weight=weight), pred.requires_grad_()
    )


@pytest.mark.parametrize('labeled', [0, 1])
def test_fewer_than_two_samples_have_loss_and_gradient_zero(labeled):
    pred, target = batch(3)
    weight = (torch.arange(3) < labeled).float()
    loss = build()(pred.requires_grad_(), target, weight=weight)
    (gradient,) = torch.autograd.grad(loss, pred)
    assert loss.item() == 0 and torch.equal(gradient, torch.zeros(3, 2))


@pytest.mark.parametrize('pred', [0.0, 0.3, 0.7])
def test_constants_have_no_correlation_but_a_finite_loss(pred):
    pred = torch.full((3, 2), pred, requires_grad=True)
    loss = build()(pred, torch.full((3, 2), 0.3))
    (gradient,) = torch.autograd.grad(loss, pred)
    assert loss.item() == pytest.approx(1, abs=1e-4)
    assert gradient.abs().max() < 10


def test_half_precision_is_computed_in_float32():
    pred, target = batch()
    loss = build()(pred.bfloat16(), target)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, build()(pred.bfloat16().float(), target))


@pytest.mark.parametrize('shapes', [((4, 2), (4,)), ((4,), (4,)), ((4, 2), (5, 2))])
def test_wrong_shapes_are_named(shapes):
    with pytest.raises(ValueError, match='CCCLoss: prediction'):
        build()(*map(torch.zeros, shapes))
