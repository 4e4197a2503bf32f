# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import pytest
import torch

from mmfer.models.layers import AttentivePatchPooling
from mmfer.registry import MODELS


def test_registered_under_both_names_without_parameters():
    for name in ('AttentivePatchPooling', 'APP'):
        app = MODELS.build(dict(type=name, keep_num=3))
        assert isinstance(app, AttentivePatchPooling)
        assert not list(app.parameters())


def test_keeping_all_is_the_identity_bit_for_bit():
    x = torch.randn(2, 9, 4)
    assert AttentivePatchPooling(keep_num=9)(x) is x
    out, kept = AttentivePatchPooling(keep_num=9)(x, return_indices=True)
    assert out is x and kept is None


@pytest.mark.parametrize('criterion', ['abs', 'sum', 'max', 'square', 'max_abs'])
def test_hard_pooling_equals_sorting_by_hand(criterion):
    x = torch.randn(3, 16, 6)
    out, kept = AttentivePatchPooling(keep_num=5, criterion=criterion)(x, return_indices=True)
    reduce = {
        'abs': lambda v: v.abs().sum(),
        'sum': lambda v: v.sum(),
        'max': lambda v: v.max(),
        'square': lambda v: (v * v).sum(),
        'max_abs': lambda v: max(v.max(), -v.min()),
    }[criterion]
    for b in range(3):
        order = sorted(range(16), key=lambda n: -float(reduce(x[b, n])))
        assert kept[b].tolist() == sorted(order[:5])
        assert torch.equal(out[b], x[b, sorted(order[:5])])


def test_random_scores_are_drawn_for_each_image():
    app = AttentivePatchPooling(keep_num=4, criterion='random').eval()
    x = torch.randn(1, 8, 6).expand(2000, -1, -1)
    _, kept = app(x, return_indices=True)
    counts = torch.bincount(kept.flatten(), minlength=8)
    assert kept.shape == (2000, 4) and (kept.diff() > 0).all()
    assert (counts - 1000).abs().max() < 120  # five standard deviations: all equally likely
    torch.manual_seed(1)
    first = app(x)
    torch.manual_seed(1)
    assert torch.equal(app(x), first)


def test_position_is_added_after_scoring():
    x = torch.randn(2, 9, 4)
    position = 100 * torch.randn(1, 9, 4)
    app = AttentivePatchPooling(keep_num=4)
    _, without = app(x, return_indices=True)
    out, kept = app(x, position, return_indices=True)
    assert torch.equal(kept, without)
    assert torch.equal(out[0], (x + position)[0, kept[0]])


def test_scoring_on_features_selects_by_them():
    x, features = torch.randn(2, 9, 4), torch.randn(2, 9, 3)
    app = AttentivePatchPooling(keep_num=4, score_on='features')
    _, kept = app(x, features=features, return_indices=True)
    _, wanted = AttentivePatchPooling(keep_num=4)(features, return_indices=True)
    assert torch.equal(kept, wanted)
    with pytest.raises(ValueError, match='features'):
        app(x)


def test_soft_pooling_keeps_all_and_scales_them():
    x = torch.randn(2, 9, 4)
    out = AttentivePatchPooling(keep_num=1, mode='soft')(x)
    score = x.abs().sum(-1)
    low, high = score.min(1, keepdim=True)[0], score.max(1, keepdim=True)[0]
    torch.testing.assert_close(out, x * ((score - low) / (high - low))[..., None])


def test_lanet_learns_through_the_tokens_that_stay():
    app = AttentivePatchPooling(keep_num=3, criterion='lanet', in_channels=32).eval()
    x = torch.randn(2, 9, 32)
    out, kept = app(x, return_indices=True)
    scores = app.score(x)
    assert torch.equal(out[0], (x * scores[..., None])[0, kept[0]])
    out.sum().backward()
    assert app.lanet.squeeze.weight.grad.abs().sum() > 0
    assert app.lanet.bn2.bias.grad.abs().sum() > 0


def test_images_of_a_batch_do_not_touch_each_other():
    x = torch.randn(4, 16, 6)
    app = AttentivePatchPooling(keep_num=5)
    assert torch.equal(app(x)[2:3], app(x[2:3]))


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (dict(keep_num=0), 'app.keep_num.*got 0'),
        (dict(keep_num=2.5), 'app.keep_num.*2.5'),
        (dict(criterion='mean'), "app.criterion.*'abs'.*'mean'"),
        (dict(mode='harder'), "app.mode.*'soft'.*'harder'"),
        (dict(score_on='pixels'), "app.score_on.*'features'.*'pixels'"),
        (dict(criterion='lanet'), 'in_channels'),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        AttentivePatchPooling(**arguments)


def test_too_large_keep_num_is_named():
    with pytest.raises(ValueError, match='keep_num=10.*9'):
        AttentivePatchPooling(keep_num=10)(torch.randn(1, 9, 4))
