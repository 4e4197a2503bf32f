# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from tiny_apvit import tiny_backbone
from torch import nn

from mmfer.analysis.attention import recorded_tokens
from mmfer.analysis.attention_rollout import multiply_blocks, positions_at_blocks, rows_kept
from mmfer.analysis.attribution import attribute, block_matrices, head_modules
from mmfer.models.heads import ExpressionAUHead, MLPClsHead

POOLING = dict(app=dict(keep_num=12), atp=dict(keep_rate=0.6, start=0))


def build(**settings):
    torch.manual_seed(0)
    return tiny_backbone(**settings).double(), nn.Linear(16, 4).double()


def images(num=1):
    return torch.randn(num, 3, 32, 32, generator=torch.Generator().manual_seed(1)).double()


def attributed(model, head, image, target=None, heads='mean'):
    """Return the attribution of a model, and its map over [class] and 16 patches."""
    with torch.no_grad(), recorded_tokens(model) as tokens:
        _, left = model.forward_with_indices(image)
    positions = positions_at_blocks(left, len(model.layers), 16, len(image))
    rows = [rows_kept(*positions[i : i + 2]) for i in range(len(model.layers))]
    average = model.out_type == 'avg_featmap'
    found = attribute(model.layers, model.ln1, [head], tokens[0], rows, target, average)
    product = multiply_blocks(block_matrices(found, heads), positions, 16)
    return found, (found.read.unsqueeze(1) @ product).squeeze(1), left


def shared_out(function, inputs, relevance):
    """Return the relevance of inputs by the gradient, ``x * d f / d x * (R / f)``."""
    with torch.enable_grad():
        inputs = [x.detach().requires_grad_() for x in inputs]
        output = function(*inputs)
        gradients = torch.autograd.grad(output, inputs, torch.nan_to_num(relevance / output))
    return [x.detach() * g for x, g in zip(inputs, gradients, strict=True)]


def linear_shared(weight, x, relevance):
    """Apply the z+ rule: only products of numbers of the same sign."""
    positive, negative = weight.detach().clamp(min=0), weight.detach().clamp(max=0)

    def z_plus(above, below):
        return above @ positive.T + below @ negative.T

    return sum(shared_out(z_plus, [x.clamp(min=0), x.clamp(max=0)], relevance))


def sum_shared(one, other, relevance):
    parts = shared_out(torch.add, [one, other], relevance)
    sizes = [part.sum().abs() / sum(other.sum().abs() for other in parts) for part in parts]
    return [
        part * size * relevance.sum() / part.sum() for part, size in zip(parts, sizes, strict=True)
    ]


def masked_reference(model, head, image, left, target):
    """Attribute one image with a model that masks instead of dropping, head by head."""
    tokens, _ = model.patch_embed(image)
    x = torch.cat((model.cls_token, tokens), 1)[0] + model.pos_embed[0]
    alive = [0, *(left['app'][0] + 1).tolist()] if 'app' in left else list(range(17))
    steps, weights = [], []
    for i, layer in enumerate(model.layers):
        qkv = layer.attn.qkv(layer.ln1(x))
        hidden = [n for n in range(17) if n not in alive]
        parts, mixed = [], []
        for h in range(2):
            q, k, v = (qkv[:, 16 * part + 8 * h :][:, :8] for part in range(3))
            products = q @ k.T / 8**0.5
            products[:, hidden] = -torch.inf
            weights.append(products.softmax(-1))
            mixed.append(weights[-1] @ v)
            parts.append((q, k, v, weights[-1]))
        attended = layer.attn.proj(torch.cat(mixed, -1))
        middle = x + attended
        fc1, fc2 = layer.ffn.layers[0][0], layer.ffn.layers[1]
        z = layer.ln2(middle)
        hidden_units = nn.functional.gelu(fc1(z))
        changed = fc2(hidden_units)
        steps.append(
            (layer, x, parts, torch.cat(mixed, -1), attended, middle, z, hidden_units, changed)
        )
        x = middle + changed
        if f'layers.{i}' in left:
            alive = [0, *(left[f'layers.{i}'][0] + 1).tolist()]
    last = model.ln1(x)
    average = model.out_type == 'avg_featmap'
    even = torch.zeros(17).double()
    even[alive[1:]] = 1 / len(alive[1:])
    even.requires_grad_()
    feature = even @ last if average else last[0]
    score = head(feature)[target]
    gradients = torch.autograd.grad(score, [*weights, even], allow_unused=True)

    one_hot = torch.eye(4).double()[target]
    of_feature = linear_shared(head.weight, feature[None], one_hot[None])[0]
    relevance = torch.zeros(17, 16).double()
    if average:
        relevance = even.detach()[:, None] * last.detach() * (of_feature / feature.detach())
        row = (relevance.sum(-1) * gradients[-1]).clamp(min=0)
    else:
        relevance[0] = of_feature
        row = torch.eye(17).double()[0]
    matrices = []
    for i, step in reversed([*enumerate(steps)]):
        layer, x, parts, mixed, attended, middle, z, hidden_units, changed = (
            s.detach() if isinstance(s, torch.Tensor) else s for s in step
        )
        fc1, fc2 = layer.ffn.layers[0][0], layer.ffn.layers[1]
        of_middle, of_changed = sum_shared(middle, changed, relevance)
        of_hidden = linear_shared(fc2.weight, hidden_units, of_changed)
        relevance = of_middle + linear_shared(fc1.weight, z, of_hidden)
        of_x, of_attended = sum_shared(x, attended, relevance)
        of_mixed = linear_shared(layer.attn.proj.weight, mixed, of_attended)
        of_qkv, matrix = torch.zeros(17, 48).double(), torch.zeros(17, 17).double()
        for h, (q, k, v, a) in enumerate(parts):
            of_a, of_v = shared_out(torch.matmul, [a, v], of_mixed[:, 8 * h :][:, :8])
            of_q, of_k = shared_out(lambda q, k: q @ k.T, [q, k], of_a / 2)
            for part, values in enumerate((of_q / 2, of_k / 2, of_v / 2)):
                of_qkv[:, 16 * part + 8 * h : 16 * part + 8 * h + 8] = values
            matrix += (gradients[2 * i + h] * of_a / 2).clamp(min=0) / 2
        relevance = of_x + linear_shared(layer.attn.qkv.weight, layer.ln1(x).detach(), of_qkv)
        matrices.insert(0, torch.eye(17).double() + matrix)
    for matrix in reversed(matrices):
        row = row @ matrix
    return row, relevance


@pytest.mark.parametrize('out_type', ['cls_token', 'avg_featmap'])
@pytest.mark.parametrize('pooling', [{}, POOLING], ids=['plain', 'pooled'])
def test_attribution_is_that_of_a_model_that_masks_instead_of_dropping(pooling, out_type):
    model, head = build(out_type=out_type, **pooling)
    seen = []
    for target in range(4):
        found, row, left = attributed(model, head, images(), torch.tensor([target]))
        wanted, of_tokens = masked_reference(model, head, images(), left, target)
        torch.testing.assert_close(row[0], wanted, rtol=1e-4, atol=1e-12)
        entered = [0, *(left['app'][0] + 1).tolist()] if pooling else list(range(17))
        torch.testing.assert_close(found.tokens[0], of_tokens[entered], rtol=1e-4, atol=1e-7)
        absent = sorted(set(range(17)) - set(entered))
        assert not row[0, absent].any()
        seen.append(bool(row[0, entered[1:]].any()))
    assert any(seen)


@pytest.mark.parametrize('settings', [{}, {'out_type': 'avg_featmap'}, {'qk_scale': 0.1}])
def test_no_relevance_is_lost(settings):
    model, head = build(**settings, **POOLING)
    found, row, _ = attributed(model, head, images(3))
    torch.testing.assert_close(found.tokens.sum((1, 2)), torch.ones(3).double(), rtol=1e-5, atol=0)
    assert (row >= 0).all()
    (feature,) = model(images(3))
    torch.testing.assert_close(found.logits, head(feature))  # it is the same model


def test_what_was_dropped_has_neither_relevance_nor_gradient_in_its_row():
    model, head = build(**POOLING)
    found, _, left = attributed(model, head, images(2))
    for row in range(2):
        entered, stay = left['app'][row], left['layers.0'][row]
        gone = [1 + n for n, place in enumerate(entered) if place not in stay]
        assert len(gone) == 5
        for of_attention in (found.relevance[0], found.gradients[0]):
            assert not of_attention[row][:, gone].any()
            assert of_attention[row][:, :, gone].any()  # attention to dropped tokens counts


def test_images_of_a_batch_and_classes():
    model, head = build(**POOLING)
    batch = images(2)
    _, both, _ = attributed(model, head, batch)
    for i in range(2):
        _, alone, _ = attributed(model, head, batch[i : i + 1])
        torch.testing.assert_close(both[i : i + 1], alone)
    predicted = head(model(batch)[0]).argmax(-1)
    _, same, _ = attributed(model, head, batch, predicted)
    torch.testing.assert_close(same, both)
    _, others, _ = attributed(model, head, batch, (predicted + 1) % 4)
    assert not torch.isclose(others, both)[:, 1:].all(1).any()


def test_heads_are_joined_to_the_mean_or_the_largest():
    model, head = build()
    found, _, _ = attributed(model, head, images())
    both = (found.relevance[1] * found.gradients[1]).clamp(min=0)[0]
    for heads, wanted in (('mean', (both[0] + both[1]) / 2), ('max', both.max(0).values)):
        matrix = block_matrices(found, heads)[1][0]
        torch.testing.assert_close(matrix - torch.eye(17).double(), wanted, atol=1e-12, rtol=1e-6)
    with pytest.raises(ValueError, match="heads.*'sum'"):
        block_matrices(found, 'sum')


def test_heads_of_several_layers():
    torch.manual_seed(0)
    model, _ = build(**POOLING)
    for head in (MLPClsHead(4, 16, (32,)), ExpressionAUHead(4, 16)):
        head = head.double().eval()
        with torch.no_grad(), recorded_tokens(model) as tokens:
            feats, left = model.forward_with_indices(images())
        positions = positions_at_blocks(left, 3, 16, 1)
        rows = [rows_kept(*positions[i : i + 2]) for i in range(3)]
        found = attribute(model.layers, model.ln1, head_modules(head), tokens[0], rows)
        torch.testing.assert_close(found.logits, head(feats))
        torch.testing.assert_close(found.tokens.sum().item(), 1.0, rtol=1e-5, atol=0)
    with pytest.raises(ValueError, match='model.head.*Identity.*rollout'):
        head_modules(nn.Identity())
