# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import math

import pytest
import torch
import torch.nn.functional as F
from mmpretrain.models import GlobalAveragePooling
from torch import nn

from mmfer.analysis.flops import count_cost
from mmfer.models import KTAdapter
from mmfer.models.layers.drop_masks import draw_kept, draw_kept_count, draw_kept_together
from mmfer.models.layers.feature_tokens import pool_feature
from mmfer.registry import MODELS
from mmfer.tasks import TASKS

PRIORS = TASKS[1:]  # for the default canonical task


def build(mode=False, **arguments) -> KTAdapter:
    """An adapter of width 16 whose parameters all have an effect."""
    settings = dict(type='KTAdapter', embed_dims=16, num_heads=4)
    adapter = MODELS.build({**settings, **arguments})
    for parameter in adapter.parameters():
        nn.init.normal_(parameter, std=0.5)
    return adapter.train(mode)


def tokens(batch=3, width=16, tasks=PRIORS):
    return {task: torch.randn(batch, width) for task in tasks}


def assert_differ(first, second):
    assert (first - second).abs().max() > 1e-3


# Reference: the whole adapter, one sample and one token at a time ---------------------------------


def norm(x, layer):
    x = (x - x.mean()) / torch.sqrt(x.var(unbiased=False) + layer.eps)
    return x * layer.weight + layer.bias


def slow_adapter(adapter, feature_map, priors, kept):
    """Return outputs ``(B, C)`` from a map ``(B, C, H, W)`` and the kept priors."""
    net, width = adapter.transfer, adapter.embed_dims
    heads, size = net.attn.num_heads, width // net.attn.num_heads
    outputs = []
    for b, spatial in enumerate(feature_map):
        channels = len(spatial)
        canonical = torch.zeros(width)
        canonical[:channels] = spatial.flatten(1).mean(1)
        named = {adapter.canonical: canonical}
        for task in TASKS:
            if task in priors and kept[b][list(priors).index(task)]:
                named[task] = torch.zeros(width)
                named[task][: priors[task].shape[1]] = priors[task][b]
        if adapter.task_embedding is not None:
            named = {t: v + adapter.task_embedding[TASKS.index(t)] for t, v in named.items()}
        z = [net.knowledge[0, 0], *named.values()]

        query, key, value = zip(*(net.attn.qkv(token).split(width) for token in z), strict=True)
        after = []
        for i in range(len(z)):
            joined = torch.zeros(width)
            for h in range(heads):
                part = slice(h * size, (h + 1) * size)
                scores = [math.exp(query[i][part] @ k[part] / math.sqrt(size)) for k in key]
                for score, v in zip(scores, value, strict=True):
                    joined[part] += score / sum(scores) * v[part]
            after.append(norm(z[i] + net.attn.proj(joined), net.ln1))
        if net.canonical_mask:
            after = after[:2]
        first, second = net.ffn.layers[0][0], net.ffn.layers[1]
        after = [norm(z + second(F.gelu(first(z))), net.ln2) for z in after]
        others = [after[0], *after[2:]]
        knowledge = sum(others) / len(others)
        # Fused on the map, as in the paper, and then pooled.
        fused = spatial + (knowledge + after[1])[:channels, None, None]
        outputs.append(fused.flatten(1).mean(1))
    return torch.stack(outputs)


@pytest.mark.parametrize('canonical_mask', [True, False])
@pytest.mark.parametrize('drop_mask', [True, False])
@pytest.mark.parametrize('task_embedding', [True, False])
@torch.no_grad()
def test_equals_the_slow_adapter(canonical_mask, drop_mask, task_embedding):
    adapter = build(
        True,
        canonical_mask=canonical_mask,
        drop_mask=drop_mask,
        task_embedding=task_embedding,
    )
    earlier, feature_map = torch.randn(6, 5, 9, 9), torch.randn(6, 12, 3, 2)
    priors = dict(
        age=torch.randn(6, 16), landmarks=torch.randn(6, 7), recognition=torch.randn(6, 9)
    )
    torch.manual_seed(3)
    (out,) = adapter((earlier, feature_map), priors)
    torch.manual_seed(3)
    kept = torch.rand(6, 3) > 0.5 if drop_mask else torch.ones(6, 3, dtype=torch.bool)
    assert not drop_mask or 0 < kept.sum() < kept.numel()
    torch.testing.assert_close(out, slow_adapter(adapter, feature_map, priors, kept))


# Training and inference ---------------------------------------------------------------------------


@pytest.mark.parametrize('canonical_mask', [True, False])
def test_inference_is_training_with_every_prior_dropped(canonical_mask):
    adapter = build(True, drop_threshold=1, canonical_mask=canonical_mask, task_embedding=True)
    feature = torch.randn(3, 16, 2, 2)
    (dropped,) = adapter(feature, tokens())
    (none,) = adapter(feature, None)
    torch.testing.assert_close(dropped, none)
    torch.testing.assert_close(adapter.eval()(feature)[0], none)
    assert_differ(adapter(feature, tokens())[0], none)


@pytest.mark.parametrize('canonical_mask', [True, False])
def test_a_dropped_prior_is_as_good_as_absent(canonical_mask):
    transfer = build(canonical_mask=canonical_mask).transfer
    canonical, priors = torch.randn(4, 16), torch.randn(4, 3, 16)
    kept = torch.tensor([True, False, True]).repeat(4, 1)
    masked = transfer(canonical, priors, kept)
    torch.testing.assert_close(masked, transfer(canonical, priors[:, [0, 2]]))
    wild = priors.clone()
    wild[:, 1] = 1e4  # any value
    torch.testing.assert_close(masked, transfer(canonical, wild, kept), rtol=0, atol=0)
    assert_differ(masked[0], transfer(canonical, priors)[0])


def test_knowledge_and_canonical_token_are_never_dropped():
    adapter = build(True, drop_threshold=1)
    feature = torch.randn(3, 16, requires_grad=True)
    (out,) = adapter(feature, tokens())
    assert_differ(out, adapter(torch.randn(3, 16), tokens())[0])
    # Each must also affect the row of the other one, through the attention.
    knowledge, canonical = adapter.transfer(feature, torch.zeros(3, 0, 16))
    by_canonical = torch.autograd.grad(knowledge.square().sum(), feature, retain_graph=True)[0]
    by_knowledge = torch.autograd.grad(canonical.square().sum(), adapter.transfer.knowledge)[0]
    assert by_canonical.abs().min() > 0 and by_knowledge.abs().min() > 0


@pytest.mark.parametrize('threshold', [0.0, 0.3, 0.5, 0.8, 1.0])
def test_drop_rate_is_the_threshold(threshold):
    kept = draw_kept(20000, 3, threshold).float()
    # Five standard errors of a share of 20,000.
    bound = 5 * math.sqrt(threshold * (1 - threshold) / 20000) + 1e-9
    torch.testing.assert_close(kept.mean(0), torch.full((3,), 1 - threshold), rtol=0, atol=bound)
    if 0 < threshold < 1:  # samples and priors are drawn independently
        share = (1 - threshold) ** 2
        both = (kept[:, 0] * kept[:, 1]).mean()
        assert abs(both - share) < 5 * math.sqrt(share * (1 - share) / 20000)


def test_priors_are_dropped_in_training_only():
    feature, priors = torch.randn(8, 16), tokens(8)
    adapter = build(True)
    assert_differ(adapter(feature, priors)[0], adapter(feature, priors)[0])
    adapter.eval()
    torch.testing.assert_close(adapter(feature, priors), adapter(feature, priors), rtol=0, atol=0)
    without = build(True, drop_mask=False)
    torch.testing.assert_close(without(feature, priors), without.eval()(feature, priors))


# The priors' order --------------------------------------------------------------------------------


@pytest.mark.parametrize('task_embedding', [True, False])
def test_order_of_the_dict_has_no_meaning(task_embedding):
    adapter = build(True, task_embedding=task_embedding)
    feature, priors = torch.randn(3, 16), tokens()
    torch.manual_seed(0)
    (first,) = adapter(feature, priors)
    torch.manual_seed(0)
    (second,) = adapter(feature, dict(reversed(priors.items())))
    assert torch.equal(first, second)


@pytest.mark.parametrize('canonical_mask', [True, False])
def test_which_task_a_token_has_matters_with_task_embedding_only(canonical_mask):
    feature, priors = torch.randn(3, 16), tokens()
    swapped = dict(priors, age=priors['recognition'], recognition=priors['age'])
    plain = build(canonical_mask=canonical_mask)
    torch.testing.assert_close(plain(feature, priors), plain(feature, swapped))
    embedded = build(canonical_mask=canonical_mask, task_embedding=True)
    assert_differ(embedded(feature, priors)[0], embedded(feature, swapped)[0])


def test_task_embedding_is_that_of_the_task():
    """Also if other tasks are missing, and with any canonical task."""
    adapter = build(canonical='landmarks', task_embedding=True)
    feature, token = torch.randn(2, 16), torch.randn(2, 16)
    (out,) = adapter(feature, dict(recognition=token))
    shifted, adapter.task_embedding = adapter.task_embedding, None
    (plain,) = adapter(feature + shifted[2], dict(recognition=token + shifted[3]))
    torch.testing.assert_close(out, plain - shifted[2])


# Widths and shapes --------------------------------------------------------------------------------


def test_padding_is_exact():
    adapter = build()
    feature, narrow = torch.randn(3, 10), torch.randn(3, 6)
    (out,) = adapter(feature, dict(age=narrow))
    assert out.shape == (3, 10)
    wide = torch.zeros(3, 16)
    wide[:, :6] = narrow
    full = torch.zeros(3, 16)
    full[:, :10] = feature
    (same,) = adapter(full, dict(age=wide))
    assert torch.equal(out, same[:, :10])
    # The padding of the canonical encoder does not appear in the output.
    assert same[:, 10:].abs().min() > 0


def test_any_shape_a_backbone_gives():
    adapter = build()
    feature_map = torch.randn(2, 16, 3, 3)
    pooled = GlobalAveragePooling()((feature_map,))[0]
    assert torch.equal(pool_feature((torch.randn(1), feature_map)), pooled)
    expected = adapter(pooled)[0]
    assert torch.equal(adapter((feature_map,))[0], expected)
    torch.testing.assert_close(adapter([feature_map.flatten(2).transpose(1, 2)])[0], expected)
    assert isinstance(adapter(feature_map), tuple) and len(adapter(feature_map)) == 1
    with pytest.raises(ValueError, match=r'\(2,\).*\(B, C, H, W\)'):
        adapter(torch.randn(2))


def test_the_adapter_can_start_as_the_identity():
    adapter = MODELS.build(dict(type='KTAdapter', embed_dims=16, init_scale=0)).train()
    feature = torch.randn(3, 12, 4, 4)
    assert torch.equal(adapter(feature, tokens())[0], pool_feature(feature))
    adapter(feature, tokens())[0].sum().backward()
    assert adapter.transfer.ln2.weight.grad.abs().max() > 0  # training can leave that point


def test_cost():
    """The paper's 21.02 MFLOPs, for knowledge and canonical token."""
    pooled = count_cost(nn.Sequential(Widen(), KTAdapter(embed_dims=1024)), (1, 1))
    assert pooled.gflops * 1e3 == pytest.approx(21.02, rel=3e-3)
    # With the pooling of a 7x7 map, which the baseline has as well.
    with_map = count_cost(nn.Sequential(Widen(), KTAdapter(embed_dims=1024)), (7, 7))
    assert with_map.gflops * 1e3 == pytest.approx(21.02, rel=3e-3)


class Widen(nn.Module):
    """Padding three channels to 1024 costs nothing."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1024, 1, 1))

    def forward(self, x):
        return x[:, :1].expand(-1, 1024, -1, -1)


def test_half_precision_features():
    adapter = build(True)
    with torch.autocast('cpu', torch.bfloat16):
        (out,) = adapter(torch.randn(2, 16, 3, 3).bfloat16(), tokens(2))
    assert out.dtype == torch.float32 and out.isfinite().all()


# Fusion on the map --------------------------------------------------------------------------------


@pytest.mark.parametrize('deploy', [False, True])
@torch.no_grad()
def test_rows_are_added_to_every_place(deploy):
    adapter = build(fusion='map', num_heads=2)
    spatial = torch.randn(3, 12, 4, 5)  # narrower than the tokens
    knowledge, canonical = adapter.transfer(
        F.pad(pool_feature(spatial), (0, 4)), torch.zeros(3, 0, 16)
    )
    expected = spatial.clone()
    for b in range(3):
        for y in range(4):
            for x in range(5):
                expected[b, :, y, x] += (knowledge[b] + canonical[b])[:12]
    if deploy:
        adapter.switch_to_deploy()
    (out,) = adapter((torch.randn(1), spatial))
    torch.testing.assert_close(out, expected)


@pytest.mark.parametrize('training', [False, True])
@torch.no_grad()
def test_averaged_after_the_fusion_is_the_average_fused(training):
    pooled, on_map = build(training), build(training, fusion='map')
    on_map.load_state_dict(pooled.state_dict())
    spatial, priors = torch.randn(3, 12, 4, 5), tokens()
    torch.manual_seed(0)
    (first,) = pooled(spatial, priors)
    torch.manual_seed(0)
    (second,) = on_map(spatial, priors)
    assert second.shape == spatial.shape
    torch.testing.assert_close(GlobalAveragePooling()((second,))[0], first)


def test_on_the_map_the_adapter_can_start_as_the_identity():
    spatial = torch.randn(2, 16, 3, 3)
    adapter = MODELS.build(dict(type='KTAdapter', embed_dims=16, init_scale=0, fusion='map'))
    assert torch.equal(adapter(spatial)[0], spatial)


@pytest.mark.parametrize('shape', [(2, 16), (2, 9, 16)])
def test_fusion_on_the_map_needs_a_map(shape):
    adapter = build(fusion='map')
    with pytest.raises(ValueError, match=r'fusion.*\(B, C, H, W\).*16\).*gap_before_final_norm'):
        adapter((torch.randn(shape),))


# Further blocks -----------------------------------------------------------------------------------

DEEP = [
    dict(num_layers=3),
    dict(norm='pre'),
    dict(num_layers=2, norm='pre', act_cfg=dict(type='SiLU')),
    dict(num_layers=2, num_knowledge=3),
]


def slow_transfer(net, canonical, priors):
    """Return the rows of all tokens after full blocks, without dropped priors."""
    count = net.num_knowledge
    z = torch.cat((net.knowledge.expand(len(canonical), -1, -1), canonical[:, None], priors), 1)
    for block in (*net.earlier, net):
        first, act, second = block.ffn.layers[0][0], block.ffn.layers[0][1], block.ffn.layers[1]

        def ffn(x, layers=(first, act, second)):
            for layer in layers:
                x = layer(x)
            return x

        if net.pre_norm:
            z = z + block.attn(block.ln1(z))
            z = z + ffn(block.ln2(z))
        else:
            z = block.ln1(z + block.attn(z))
            z = block.ln2(z + ffn(z))
    if net.pre_norm:
        z = net.ln3(z)
    others = z[:, :count]
    if not net.canonical_mask:
        others = torch.cat((others, z[:, count + 1 :]), 1)
    return others.mean(1), z[:, count]


@pytest.mark.parametrize('canonical_mask', [True, False])
@pytest.mark.parametrize('arguments', [{}, *DEEP], ids=str)
@torch.no_grad()
def test_blocks_equal_whole_ones(arguments, canonical_mask):
    transfer = build(canonical_mask=canonical_mask, **arguments).transfer
    canonical, priors = torch.randn(4, 16), torch.randn(4, 3, 16)
    for some in (priors, priors[:, :0]):
        torch.testing.assert_close(
            transfer(canonical, some), slow_transfer(transfer, canonical, some)
        )
    kept = torch.tensor([True, False, True]).repeat(4, 1)
    torch.testing.assert_close(
        transfer(canonical, priors, kept), slow_transfer(transfer, canonical, priors[:, [0, 2]])
    )


@pytest.mark.parametrize('arguments', DEEP, ids=str)
def test_further_blocks_can_start_as_the_identity_and_all_of_them_learn(arguments):
    adapter = KTAdapter(embed_dims=16, init_scale=0, **arguments)
    feature = torch.randn(3, 12)
    assert torch.equal(adapter(feature, tokens())[0], feature)
    adapter = build(True, drop_mask=False, **arguments)
    adapter(feature, tokens())[0].square().sum().backward()
    assert all(p.grad.abs().max() > 0 for p in adapter.parameters())


def test_the_paper_s_adapter_has_the_weights_of_one_block_only():
    names = set(KTAdapter(embed_dims=16).state_dict())
    assert {name.split('.')[1] for name in names} == {'knowledge', 'attn', 'ln1', 'ffn', 'ln2'}
    deeper = set(KTAdapter(embed_dims=16, num_layers=2, norm='pre').state_dict())
    assert names < deeper


# Ways to drop priors ------------------------------------------------------------------------------


def test_priors_can_be_dropped_together():
    kept = draw_kept_together(20000, 3, 0.3)
    assert (kept == kept[:, :1]).all()
    assert kept.float().mean() == pytest.approx(0.7, abs=5 * math.sqrt(0.21 / 20000))


@pytest.mark.parametrize('count', [0, 1, 2, 3, 4])
def test_a_fixed_number_of_priors_can_be_kept(count):
    kept = draw_kept_count(20000, 3, count)
    assert (kept.sum(1) == min(count, 3)).all()
    share = min(count, 3) / 3
    bound = 5 * math.sqrt(share * (1 - share) / 20000) + 1e-6
    torch.testing.assert_close(kept.float().mean(0), torch.full((3,), share), rtol=0, atol=bound)


@pytest.mark.parametrize(
    ('arguments', 'draw'),
    [
        (dict(drop_scheme='together', drop_threshold=0.3), lambda: draw_kept_together(8, 3, 0.3)),
        (dict(drop_scheme='count', num_kept=2), lambda: draw_kept_count(8, 3, 2)),
        (dict(drop_scheme='count', num_kept=0), lambda: torch.zeros(8, 3, dtype=torch.bool)),
    ],
    ids=['together', 'two', 'none'],
)
def test_the_scheme_that_is_set_is_drawn(arguments, draw):
    adapter = build(True, **arguments)
    feature, priors = torch.randn(8, 16), tokens(8)
    torch.manual_seed(1)
    (out,) = adapter(feature, priors)
    torch.manual_seed(1)
    stacked = torch.stack(list(priors.values()), 1)
    rows = adapter.transfer(feature, stacked, draw())
    torch.testing.assert_close(out, feature + sum(rows))


# Errors -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (dict(canonical='smile'), r"canonical .*\('expression'.*'smile'"),
        (dict(num_heads=5), 'num_heads .*16.*5'),
        (dict(num_heads=0), 'num_heads'),
        (dict(drop_threshold=1.5), 'drop_threshold .*1.5'),
        (dict(ffn_ratio=0), 'ffn_ratio '),
        (dict(tasks=('age', 'age'), canonical='age'), 'a task twice'),
        (dict(fusion='sum'), "fusion .*'pooled', 'map'.*'sum'"),
        (dict(norm='LN'), "norm .*'post', 'pre'.*'LN'"),
        (dict(drop_scheme='all'), "drop_scheme .*'independent'.*'all'"),
        (dict(drop_scheme='count', num_kept=4), 'num_kept .*3.*4'),
        (dict(num_kept=-1), 'num_kept .*-1'),
        (dict(num_layers=0), 'num_layers .*0'),
        (dict(num_knowledge=1.5), 'num_knowledge .*1.5'),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        build(**arguments)


def test_wrong_inputs():
    adapter = build()
    with pytest.raises(ValueError, match="'expression' .*20 .*16"):
        adapter(torch.randn(2, 20))
    with pytest.raises(ValueError, match="'age' .*17 .*16.*embed_dims .*17"):
        adapter(torch.randn(2, 16), dict(age=torch.randn(2, 17)))
    for wrong in ('smile', 'expression'):
        with pytest.raises(ValueError, match=rf"\['{wrong}'\].*canonical='expression'"):
            adapter(torch.randn(2, 16), {wrong: torch.randn(2, 16)})
