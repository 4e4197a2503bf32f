# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import torch
from mmengine.config import Config
from shipped_configs import read_config
from task_models import SIZE, task_model
from toy_analyzer import analyzer_config

from mmfer.deployment.untrained import random_model, shake_weights, spread_ages
from mmfer.registry import MODELS


def build():
    torch.manual_seed(0)
    cfg = Config(dict(model=analyzer_config()))
    cfg.model.neck.init_scale = 0.0
    return MODELS.build(cfg.model).eval()


@torch.no_grad()
def test_nothing_is_hidden_by_zeros():
    """An initialized adapter adds 0; a shaken one does not, and its BatchNorm is no identity."""
    model, x = build(), torch.randn(2, 3, 32, 32)
    feats = model.backbone(x)
    plain = feats[-1].mean((2, 3))
    assert torch.equal(model.neck(feats)[0], plain)
    state = torch.random.get_rng_state()
    shake_weights(model)
    assert torch.equal(torch.random.get_rng_state(), state)
    feats = model.backbone(x)
    assert not torch.allclose(model.neck(feats)[0], feats[-1].mean((2, 3)), atol=1e-3)
    assert all(value.abs().min() > 0 for value in model.parameters())
    norms = [part for part in model.modules() if isinstance(part, torch.nn.BatchNorm2d)]
    assert norms and all((part.running_var > 0.5).all() for part in norms)
    assert all((part.running_mean != 0).all() for part in norms)


def test_the_same_every_time():
    first, second, other = build(), build(), build()
    shake_weights(first)
    shake_weights(second)
    shake_weights(other, seed=1)
    for a, b, c in zip(*(net.parameters() for net in (first, second, other)), strict=True):
        assert torch.equal(a, b) and not torch.equal(a, c)


@torch.no_grad()
def test_ages_of_a_fresh_model_are_not_all_clamped():
    model = MODELS.build(task_model('age')).eval()
    for value in model.head.parameters():
        value.mul_(1000)
    x = torch.randn(4, 3, SIZE, SIZE)
    youngest, oldest = model.head.age_range
    ages = model.head(model.extract_feat(x))
    assert (ages < youngest).any() or (ages > oldest).any()
    spread_ages(model, x)
    ages = model.head(model.extract_feat(x))
    assert ((youngest < ages) & (ages < oldest)).all() and len(ages.unique()) == 4
    scale = model.head.age_scale
    spread_ages(model, x)  # ages are already within the range
    assert model.head.age_scale == scale


def test_a_random_model_needs_no_files_and_is_the_same_each_time():
    cfg = read_config('kt-adapter_mobileone-micro-to-mobileone-micro_1xb32-10e_synthface-age-64px')
    cfg.model.backbone.init_cfg = dict(type='Pretrained', checkpoint='nowhere.pth')
    checkpoints = [prior.checkpoint for prior in cfg.model.priors.values()]
    state = torch.random.get_rng_state()
    first, second = random_model(cfg), random_model(cfg)
    assert torch.equal(torch.random.get_rng_state(), state) and not first.training
    ours, theirs = first.state_dict(), second.state_dict()
    assert all(torch.equal(value, theirs[name]) for name, value in ours.items())
    assert cfg.model.backbone.init_cfg.checkpoint == 'nowhere.pth'
    assert [prior.checkpoint for prior in cfg.model.priors.values()] == checkpoints
    assert all(checkpoints)
    first.build_priors()  # reads nothing
