# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import copy

import pytest
import torch
from torch import nn

from mmfer.models import KTAdapter
from mmfer.models.layers.folded_transfer import WideLinear


def build(**arguments) -> KTAdapter:
    """An adapter of width 16 whose parameters all have an effect."""
    adapter = KTAdapter(**{**dict(embed_dims=16, num_heads=4), **arguments})
    for parameter in adapter.parameters():
        nn.init.normal_(parameter, std=0.5)
    return adapter.eval()


def folded(adapter: KTAdapter) -> KTAdapter:
    adapter = copy.deepcopy(adapter)
    adapter.switch_to_deploy()
    return adapter


@pytest.mark.parametrize('batch', [1, 5])
@pytest.mark.parametrize(
    'arguments',
    [
        {},
        dict(task_embedding=True),
        dict(canonical_mask=False),
        dict(ffn_ratio=0.7, num_heads=1),
        dict(embed_dims=448, ffn_ratio=2.18),  # 976.64, a product that rounds either way
        dict(act_cfg=dict(type='PReLU')),
        dict(fusion='map'),
        dict(num_layers=3),
        dict(num_knowledge=3, canonical_mask=False),
        dict(norm='pre'),
    ],
    ids=str,
)
@torch.no_grad()
def test_folded_adapter_gives_the_same(arguments, batch):
    adapter = build(**arguments)
    feature = torch.randn(batch, 12, 3, 2)  # narrower than the tokens
    torch.testing.assert_close(folded(adapter)(feature), adapter(feature))


@torch.no_grad()
def test_at_the_published_size_outputs_agree():
    adapter = KTAdapter().eval()
    feature = torch.randn(2, 1024, 7, 7)
    (before,), (after,) = adapter(feature), folded(adapter)(feature)
    assert (before - feature.mean((2, 3))).abs().max() > 1
    torch.testing.assert_close(after, before, atol=1e-4, rtol=0)


@torch.no_grad()
def test_weights_of_a_folded_adapter_load_into_one_that_is_built_so():
    source = folded(build(task_embedding=True))
    target = KTAdapter(embed_dims=16, num_heads=4, task_embedding=True, deploy=True).eval()
    target.load_state_dict(source.state_dict())
    feature = torch.randn(2, 16)
    assert torch.equal(target(feature)[0], source(feature)[0])


@pytest.mark.parametrize('arguments', [dict(num_layers=2), dict(num_knowledge=2), dict(norm='pre')])
@torch.no_grad()
def test_where_nothing_can_be_folded_weights_stay_as_they_are(arguments):
    adapter = build(**arguments)
    target = KTAdapter(embed_dims=16, num_heads=4, deploy=True, **arguments).eval()
    target.load_state_dict(adapter.state_dict())
    feature = torch.randn(2, 16)
    assert torch.equal(target(feature)[0], adapter(feature)[0])
    with pytest.raises(ValueError, match=r"\['age'\].*model.neck.deploy"):
        target(feature, dict(age=feature))


def test_gradients_reach_the_feature_as_before():
    adapter = build().double()
    feature = torch.randn(2, 16, dtype=torch.float64, requires_grad=True)
    gradients = [
        torch.autograd.grad(net(feature)[0].square().sum(), feature)[0]
        for net in (adapter, folded(adapter))
    ]
    torch.testing.assert_close(*gradients)


def test_priors_are_an_error_for_a_folded_adapter():
    adapter = folded(build())
    with pytest.raises(ValueError, match=r"\['age'\].*model.neck.deploy"):
        adapter(torch.randn(2, 16), dict(age=torch.randn(2, 16)))
    adapter(torch.randn(2, 16), {})


@pytest.mark.parametrize('shape', [(1, 3), (2, 3), (4, 2, 3)])
def test_wide_linear_is_a_linear_layer(shape):
    ours, theirs = WideLinear(3, 5), nn.Linear(3, 5)
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(shape)
    torch.testing.assert_close(ours(x), theirs(x))
