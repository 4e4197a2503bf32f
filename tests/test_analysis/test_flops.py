# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from mmengine.config import Config
from torch import nn

from mmfer.analysis.flops import count_cost, count_published_cost, published_block_flops
from mmfer.models.layers import ATPBlock, EncoderLayer
from mmfer.models.pooling_settings import PoolingSettings, use_pooling
from mmfer.registry import MODELS

# k, r, GFLOPs: the paper's figures (Tables 1, 2, 13; Figure 5), with three digits from the released
# model.
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
    return MODELS.build(dict(cfg, _scope_='mmfer'))


@pytest.mark.parametrize(('keep_num', 'keep_rate', 'gflops'), PUBLISHED)
def test_apvit_costs_what_was_published(apvit, keep_num, keep_rate, gflops):
    with use_pooling(apvit.backbone, PoolingSettings(keep_num, keep_rate)):
        cost = count_published_cost(apvit, (112, 112))
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
    cost = count_published_cost(MODELS.build(cfg), (size, size))
    assert cost.gflops == pytest.approx(gflops, rel=1.5e-3)


def test_transfer_costs_what_was_published(repo_root):
    """Table 13; the local branches are 0.2 % of the cost."""
    cfg = Config.fromfile(repo_root / 'configs/_base_/models/transfer_ir50-vit-small.py').model
    cost = count_published_cost(MODELS.build(dict(cfg, _scope_='mmfer')), (112, 112))
    assert round(cost.gflops, 2) == 15.30
    # Two branches with two convolutions each, and BatchNorm on their 16 and 1 channels.
    wanted = 196 * 2 * (256 * 16 + 16 + 2 * (16 + 1))
    assert cost.by_module['backbone.local'] == pytest.approx(wanted / 1e9)


@pytest.mark.parametrize('count', [count_cost, count_published_cost])
def test_the_parts_add_up(apvit, count):
    cost = count(apvit, (112, 112))
    parts = [v for name, v in cost.by_module.items() if name.count('.') == 0]
    assert sum(parts) == pytest.approx(cost.gflops, rel=1e-6)
    parts = [v for name, v in cost.by_module.items() if name.startswith('backbone.')]
    assert sum(parts) == pytest.approx(cost.by_module['backbone'], rel=1e-6)


def test_what_runs_costs_less_and_differs_in_the_blocks_alone(apvit):
    run, published = count_cost(apvit, (112, 112)), count_published_cost(apvit, (112, 112))
    assert run.gflops < published.gflops
    less = published.by_module['backbone.layers'] - run.by_module['backbone.layers']
    assert published.gflops - run.gflops == pytest.approx(less)
    assert run.by_module['backbone.cnn'] == published.by_module['backbone.cnn']


class LateDropping(nn.Module):
    """A block that runs attention on all of its 11 tokens and drops tokens before the MLP."""

    def __init__(self, block):
        super().__init__()
        self.block = block

    def forward(self, image):
        x, block, attn = image.reshape(1, 11, 24), self.block, self.block.attn
        query, key, value = attn.qkv(block.ln1(x)).chunk(3, dim=-1)
        heads = [t.unflatten(-1, (4, 6)).transpose(1, 2) for t in (query, key, value)]
        attended = nn.functional.scaled_dot_product_attention(*heads)
        x = x + attn.proj(attended.transpose(1, 2).flatten(2))
        if block.keep_rate < 1:
            scores = (key[:, 1:] @ query[:, 0].unsqueeze(-1)).squeeze(-1)
            kept = scores.topk(int(10 * block.keep_rate)).indices + 1
            kept = nn.functional.pad(kept, (1, 0)).unsqueeze(-1).expand(-1, -1, 24)
            x = x.gather(1, kept)
        return block.ffn(block.ln2(x), identity=x)


@pytest.mark.parametrize('ffn_type', ['origin', 'swiglu_fused'])
@pytest.mark.parametrize('keep_rate', [1.0, 0.6, 0.1])
def test_a_published_block_is_one_that_drops_tokens_late(keep_rate, ffn_type):
    block = ATPBlock(24, 4, 40, keep_rate=keep_rate, ffn_type=ffn_type)
    wanted = count_cost(LateDropping(block), (8, 11)).gflops * 1e9
    assert published_block_flops(block, 11) == pytest.approx(wanted, rel=1e-12)
    if keep_rate == 1:
        assert published_block_flops(EncoderLayer(24, 4, 40, ffn_type=ffn_type), 11) == wanted


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
