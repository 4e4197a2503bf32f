# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from mmengine.config import Config
from torch import nn

from mmfer.analysis.flops import count_cost
from mmfer.registry import MODELS

# k, r, GFLOPs: the paper's figures (Tables 1, 2, 13; Figure 5), to three digits as the released
# model gives them.
PUBLISHED = [
    (196, 1.0, 15.302),
    (160, 0.9, 12.667),
    (160, 1.0, 13.443),
    (196, 0.9, 14.335),
    (120, 0.9, 10.841),
    (80, 1.0, 9.425),
    (196, 0.6, 12.429),
    (80, 0.6, 8.274),
    (40, 0.6, 6.904),
    (10, 0.6, 5.888),
]


@pytest.fixture(scope='module')
def apvit(repo_root):
    cfg = Config.fromfile(repo_root / 'configs/_base_/models/apvit_ir50-vit-small.py').model
    cfg.backbone.computation = 'paper'
    return MODELS.build(dict(cfg, _scope_='mmfer'))


@pytest.mark.parametrize(('keep_num', 'keep_rate', 'gflops'), PUBLISHED)
def test_apvit_costs_what_was_published(apvit, keep_num, keep_rate, gflops):
    apvit.backbone.app.keep_num = keep_num
    for layer in apvit.backbone.layers[apvit.backbone.atp_start :]:
        layer.keep_rate = keep_rate
    cost = count_cost(apvit, (112, 112))
    assert cost.gflops == pytest.approx(gflops, rel=1.5e-3)
    assert cost.params_m == pytest.approx(65.209543, abs=1e-6)


@pytest.mark.parametrize(
    ('config', 'size', 'gflops'),
    [
        ('hybrid-deit-tiny_ir50_1xb128-40e_rafdb-112px', 112, 6.717),
        ('hybrid-deit-tiny-ap_ir50_1xb128-40e_rafdb-112px', 112, 6.100),
        ('deit-tiny_1xb128-40e_rafdb-224px', 224, 1.258),
        ('deit-tiny-atp_1xb128-40e_rafdb-224px', 224, 0.960),
    ],
)
def test_deit_costs_what_was_published(repo_root, config, size, gflops):
    cfg = Config.fromfile(repo_root / f'configs/deit/{config}.py').model
    cfg.backbone.computation = 'paper'
    assert count_cost(MODELS.build(cfg), (size, size)).gflops == pytest.approx(gflops, rel=1.5e-3)


def test_transfer_costs_what_was_published(repo_root):
    """Table 13; the local branches are two thousandths of it."""
    cfg = Config.fromfile(repo_root / 'configs/_base_/models/transfer_ir50-vit-small.py').model
    cfg.backbone.computation = 'paper'
    cost = count_cost(MODELS.build(dict(cfg, _scope_='mmfer')), (112, 112))
    assert round(cost.gflops, 2) == 15.30
    assert cost.by_module['backbone.local'] == pytest.approx(196 * 2 * (256 * 16 + 16) / 1e9)


def test_lean_costs_less_and_the_parts_add_up(apvit):
    paper = count_cost(apvit, (112, 112))
    parts = [v for name, v in paper.by_module.items() if name.count('.') == 0]
    assert sum(parts) == pytest.approx(paper.gflops, rel=1e-6)
    apvit.backbone.computation = 'lean'
    assert count_cost(apvit, (112, 112)).gflops < paper.gflops
    apvit.backbone.computation = 'paper'


def test_attention_is_counted_as_two_products():
    class Attention(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.ones(1))

        def forward(self, x):
            x = x.flatten(2).transpose(1, 2).unsqueeze(1)  # (1, 1, H * W, 3)
            return nn.functional.scaled_dot_product_attention(x, x, x)

    cost = count_cost(Attention(), (4, 5))
    assert cost.gflops * 1e9 == 2 * 20 * 20 * 3
