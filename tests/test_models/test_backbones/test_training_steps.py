# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Training steps of the published model against the paper, written out in plain PyTorch.

All functions except the last two work on a dictionary of tensors and use no ``nn.Module``:
IR-50 with three stages, patch pooling, ViT-small with token pooling, cross-entropy, and SGD.
"""

import math

import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmpretrain.structures import DataSample

from mmfer.registry import MODELS

CONFIG = 'configs/apvit/apvit_ir50-vit-small_1xb128-40e_rafdb-112px.py'
STEPS = 4
MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
UNITS = (3, 4, 14)  # per stage
KEEP_NUM, KEEP_RATE, FIRST_POOLING_BLOCK = 160, 0.9, 4
BLOCKS, HEADS, WIDTH = 8, 8, 768


def batch_norm(w, name, x):
    """Normalize by the batch, and update running statistics with momentum 0.1."""
    mean, var = x.mean((0, 2, 3)), x.var((0, 2, 3), unbiased=False)
    n = x.numel() / x.shape[1]
    with torch.no_grad():
        for key, value in (('mean', mean), ('var', var * n / (n - 1))):
            w[f'{name}.running_{key}'] = 0.9 * w[f'{name}.running_{key}'] + 0.1 * value
    mean, var, weight, bias = (
        t[:, None, None] for t in (mean, var, w[f'{name}.weight'], w[f'{name}.bias'])
    )
    return (x - mean) / (var + 1e-5).sqrt() * weight + bias


def layer_norm(w, name, x):
    mean, var = x.mean(-1, keepdim=True), x.var(-1, unbiased=False, keepdim=True)
    return (x - mean) / (var + 1e-6).sqrt() * w[f'{name}.weight'] + w[f'{name}.bias']


def prelu(slope, x):
    return torch.where(x > 0, x, slope[:, None, None] * x)


def ir50(w, x):
    """Map images (B, 3, 112, 112) to features (B, 256, 14, 14)."""
    x = F.conv2d(x, w['stem.0.weight'], padding=1)
    x = prelu(w['stem.2.weight'], batch_norm(w, 'stem.1', x))
    for stage, units in enumerate(UNITS):
        for unit in range(units):
            name, stride = f'stages.{stage}.{unit}', 2 if unit == 0 else 1
            out = F.conv2d(batch_norm(w, f'{name}.bn1', x), w[f'{name}.conv1.weight'], padding=1)
            out = prelu(w[f'{name}.act.weight'], out)
            out = F.conv2d(out, w[f'{name}.conv2.weight'], stride=stride, padding=1)
            out = batch_norm(w, f'{name}.bn2', out)
            if x.shape[1] == out.shape[1]:
                x = x[:, :, ::stride, ::stride]
            else:
                x = F.conv2d(x, w[f'{name}.shortcut.0.weight'], stride=stride)
                x = batch_norm(w, f'{name}.shortcut.1', x)
            x = out + x
    return x


def best(scores, keep, gaps):
    """Positions of the ``keep`` best scores of an image, ascending; adds the margin to ``gaps``."""
    ranked = sorted(range(len(scores)), key=lambda n: -scores[n].item())
    edge = (scores[ranked[keep - 1]] - scores[ranked[keep]]) / scores.abs().max()
    gaps.append(edge.item())
    return sorted(ranked[:keep])


def block(w, name, x, keep, gaps):
    """One transformer block; drops all but the ``keep`` best patches, unless ``keep`` is None."""
    y = layer_norm(w, f'{name}.ln1', x)
    q, k, v = (
        part.unflatten(-1, (HEADS, -1)).transpose(1, 2)
        for part in (y @ w[f'{name}.attn.qkv.weight'].T).split(WIDTH, dim=-1)
    )
    products = q @ k.transpose(2, 3) * (WIDTH // HEADS) ** -0.5
    y = (products.softmax(-1) @ v).transpose(1, 2).flatten(2)
    x = x + y @ w[f'{name}.attn.proj.weight'].T + w[f'{name}.attn.proj.bias']
    if keep is not None:
        of_class = products[:, :, 0, 1:].sum(1)
        kept = [[0, *(n + 1 for n in best(row, keep, gaps))] for row in of_class]
        x = torch.stack([tokens[rows] for tokens, rows in zip(x, kept, strict=True)])
    first, second = f'{name}.ffn.layers.0.0', f'{name}.ffn.layers.1'
    y = layer_norm(w, f'{name}.ln2', x) @ w[f'{first}.weight'].T + w[f'{first}.bias']
    y = 0.5 * y * (1 + torch.erf(y / math.sqrt(2)))
    return x + y @ w[f'{second}.weight'].T + w[f'{second}.bias']


def part_of(w, prefix):
    """Return the tensors with a prefix, and strip the prefix."""
    return {name[len(prefix) :]: t for name, t in w.items() if name.startswith(prefix)}


def plain_logits(w, images, gaps):
    """Return the logits of normalized images."""
    cnn, vit = part_of(w, 'backbone.cnn.'), part_of(w, 'backbone.')
    features = ir50(cnn, images).flatten(2).transpose(1, 2)
    w.update({f'backbone.cnn.{name}': t for name, t in cnn.items()})  # running statistics
    tokens = features @ vit['projection.weight'].T + vit['projection.bias']
    scores = tokens.abs().sum(-1)
    tokens = tokens + vit['pos_embed'][:, 1:]
    tokens = torch.stack(
        [rows[best(row, KEEP_NUM, gaps)] for rows, row in zip(tokens, scores, strict=True)]
    )
    first = (vit['cls_token'] + vit['pos_embed'][:, :1]).expand(len(images), -1, -1)
    x, left = torch.cat((first, tokens), 1), KEEP_NUM
    for index in range(BLOCKS):
        pools = index >= FIRST_POOLING_BLOCK
        left = int(left * KEEP_RATE) if pools else left
        x = block(vit, f'layers.{index}', x, left if pools else None, gaps)
    assert x.shape[1] == 105
    return layer_norm(vit, 'ln1', x)[:, 0] @ w['head.fc.weight'].T + w['head.fc.bias']


def plain_training(w, parameters, inputs, labels):
    """Train in place; return the gradient norms, and the margins of all selections.

    SGD with momentum 0.9, weight decay 5e-4 on everything, learning rate 1e-3, gradients clipped at
    a norm of 10.
    """
    velocity, norms, gaps = {}, [], []
    dtype = w['head.fc.bias'].dtype
    mean, std = (torch.tensor(v)[:, None, None].to(dtype) for v in (MEAN, STD))
    images = (inputs.flip(1).to(dtype) - mean) / std  # BGR to RGB
    for _ in range(STEPS):
        for name in parameters:
            w[name] = w[name].detach().requires_grad_()
        log_share = plain_logits(w, images, gaps).log_softmax(-1)
        loss = -log_share[torch.arange(len(labels)), labels].mean()
        gradients = torch.autograd.grad(loss, [w[name] for name in parameters])
        norms.append(torch.stack([g.square().sum() for g in gradients]).sum().sqrt().item())
        with torch.no_grad():
            for name, gradient in zip(parameters, gradients, strict=True):
                gradient = gradient * min(1, 10 / (norms[-1] + 1e-6)) + 5e-4 * w[name]
                velocity[name] = 0.9 * velocity[name] + gradient if name in velocity else gradient
                w[name] = w[name] - 1e-3 * velocity[name]
    return norms, gaps


def published_model(repo_root, dtype):
    """Build model and optimizer of the published config, with fixed weights and no random erasing.

    Unlike in the config, the classifier does not start at zero, since then the first step would
    change nothing else.
    """
    cfg = Config.fromfile(repo_root / CONFIG)
    cfg.model.backbone.init_cfg = cfg.model.backbone.cnn.init_cfg = None  # the files
    cfg.model.data_preprocessor = dict(cfg.data_preprocessor, erasing=None)
    model = MODELS.build(cfg.model)
    model.init_weights()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 1:  # these are initialized to ones and zeros
                parameter.add_(0.1 * torch.randn(parameter.shape))
        model.head.fc.weight.normal_(std=0.0045)
        model.backbone.ln1.weight.mul_(0.7)  # so that some gradients are clipped and some are not
    model.to(dtype).train()
    return model, build_optim_wrapper(model, cfg.optim_wrapper)


# In float64: in float32, another order of rounding changes the smallest updates by up to 0.3 %.
def test_four_steps_of_the_published_model_are_the_papers(repo_root):
    model, optim_wrapper = published_model(repo_root, torch.float64)
    start = {name: t.clone() for name, t in model.state_dict().items()}
    w, parameters = dict(start), [name for name, _ in model.named_parameters()]
    inputs = torch.randint(256, (2, 3, 112, 112), dtype=torch.uint8)
    labels = [3, 5]
    norms, gaps = plain_training(w, parameters, inputs, torch.tensor(labels))
    assert max(norms) > 10 > min(norms)  # some are clipped, some are not
    assert len(gaps) == STEPS * 2 * 5 and min(gaps) > 1e-6  # no selection depends on rounding

    for _ in range(STEPS):
        samples = [DataSample().set_gt_label(label) for label in labels]
        model.train_step(dict(inputs=inputs, data_samples=samples), optim_wrapper)
    off = {}  # error of each parameter and running statistic, relative to its update
    for name, trained in model.state_dict().items():
        if trained.is_floating_point():
            update = (w[name] - start[name]).norm()
            assert update > 0, name
            off[name] = ((trained - w[name]).norm() / update).item()
    assert len(off) == len(parameters) + 2 * sum('running_mean' in name for name in w)
    assert max(off.values()) < 1e-8, max(off, key=off.get)
