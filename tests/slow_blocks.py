# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Slow transformer blocks, as the paper writes them: the reference for the fast ones."""

import torch

from mmfer.models import APViT
from mmfer.models.layers import ATPBlock


def slow_block(block, x):
    """Compute the paper's block with explicit attention, one image and token at a time.

    Returns:
        Tokens ``(B, 1 + keep, C)``, and the kept indices as lists, [class] first.
    """
    heads, size = block.attn.num_heads, block.attn.head_dims
    outputs, kept_all = [], []
    for tokens in x:
        q, k, v = (
            part.view(len(tokens), heads, size).transpose(0, 1)
            for part in block.attn.qkv(block.ln1(tokens)).chunk(3, dim=-1)
        )
        products = q @ k.transpose(1, 2) * size**-0.5
        attended = (products.softmax(dim=-1) @ v).transpose(0, 1).flatten(1)
        tokens = tokens + block.attn.proj(attended)
        kept = list(range(len(tokens)))
        if isinstance(block, ATPBlock):
            scores = {
                'sum': products[:, 0, 1:].sum(0),
                'abs': products[:, 0, 1:].abs().sum(0),
                'max': products[:, 0, 1:].max(0)[0],
            }[block.criterion]
            keep = max(int((len(tokens) - 1) * block.keep_rate), 1)
            best = sorted(range(len(scores)), key=lambda n: -scores[n].item())[:keep]
            kept = [0] + [n + 1 for n in sorted(best)]
        outputs.append(
            torch.stack([tokens[n] + block.ffn.layers(block.ln2(tokens[n])) for n in kept])
        )
        kept_all.append(kept)
    return torch.stack(outputs), kept_all


def slow_output(model: APViT, x):
    """Compute the output of a backbone in eval mode with :func:`slow_block`."""
    collected = []
    with model.drop_after_pos.register_forward_hook(lambda _, __, out: collected.append(out)):
        model(x)
    tokens = collected[0]
    for layer in model.layers:
        tokens, _ = slow_block(layer, tokens)
    tokens = model.ln1(tokens)
    if model.out_type == 'cls_token':
        return tokens[:, 0]
    return tokens[:, 1:].mean(1) if model.out_type == 'avg_featmap' else tokens
