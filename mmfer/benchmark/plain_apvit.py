# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""A plain implementation of APViT from the paper, the baseline for the speed of :class:`APViT`.

It uses no fused attention, skips no computation, and gathers tokens with expanded indices. It uses
the parameters of an :class:`APViT`, so both have the same weights by construction.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmfer.models import APViT, TransFER
from mmfer.models.layers import ATPBlock
from mmfer.models.layers.attentive_pooling import keep_count
from mmfer.models.layers.partial_attention import attention_scale


def wide_gather(x: Tensor, scores: Tensor, keep_num: int) -> Tensor:
    """Keep the best tokens of ``(B, N, C)``, with indices expanded to ``(B, keep_num, C)``."""
    kept = scores.topk(keep_num, dim=1).indices.sort(dim=1).values
    return x.gather(1, kept.unsqueeze(-1).expand(-1, -1, x.shape[2]))


def wide_top_k(x: Tensor, scores: Tensor, keep_num: int) -> Tensor:
    """Keep the same tokens, with scores expanded to ``(B, N, C)`` first, as in public code.

    Every channel sorts the same numbers again.
    """
    scores = scores.unsqueeze(-1).expand(-1, -1, x.shape[2])
    return x.gather(1, scores.topk(keep_num, dim=1).indices.sort(dim=1).values)


class PlainAPViT(nn.Module):
    """Plain forward pass of an :class:`APViT` in eval mode.

    Args:
        model (APViT): The model; its parameters are shared, not copied. It must be the paper's
            model with any k and r: with a CNN, hard patch pooling on the tokens by absolute values
            or none, token pooling by the sum over heads or none, GELU and no layer scale in its
            blocks, and the [class] token or the average as output.
        select (Callable): :func:`wide_gather` (default) or :func:`wide_top_k`.

    Raises:
        ValueError: The model is another variant.
    """

    def __init__(self, model: APViT, select=wide_gather):
        super().__init__()
        _check(model)
        self.model = model
        self.select = select

    def forward(self, x: Tensor) -> tuple[Tensor]:
        """Map images ``(B, 3, H, W)`` to the normalized feature ``(B, C)``, in a tuple."""
        model = self.model
        x = model.projection(model.cnn(x)[-1].flatten(2).transpose(1, 2))
        scores = x.abs().sum(-1)
        x = x + model.pos_embed[:, 1:]
        if model.app is not None and model.app.keep_num < x.shape[1]:
            x = self.select(x, scores, model.app.keep_num)
        class_token = model.cls_token + model.pos_embed[:, :1]
        x = torch.cat([class_token.expand(len(x), -1, -1), x], dim=1)
        for layer in model.layers:
            x = self._block(layer, x)
        x = model.ln1(x)
        return (x[:, 0] if model.out_type == 'cls_token' else x[:, 1:].mean(dim=1),)

    def _block(self, layer: nn.Module, x: Tensor) -> Tensor:
        attended, products = self._attention(layer.attn, layer.ln1(x))
        x = x + attended
        num_patches = x.shape[1] - 1
        keep_num = num_patches
        if isinstance(layer, ATPBlock):
            keep_num = keep_count(num_patches, layer.keep_rate)
        if keep_num < num_patches:
            scores = products[:, :, 0, 1:].sum(1)
            x = torch.cat([x[:, :1], self.select(x[:, 1:], scores, keep_num)], dim=1)
        first, second = layer.ffn.layers[0][0], layer.ffn.layers[1]
        return x + second(F.gelu(first(layer.ln2(x))))

    @staticmethod
    def _attention(attn: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the attention output and the products ``(B, heads, T, T)`` before the softmax."""
        batch, num_tokens, channels = x.shape
        query, key, value = (
            attn.qkv(x)
            .reshape(batch, num_tokens, 3, attn.num_heads, attn.head_dims)
            .permute(2, 0, 3, 1, 4)
        )
        products = query @ key.transpose(-2, -1) * attention_scale(attn)
        x = products.softmax(dim=-1) @ value
        return attn.proj(x.transpose(1, 2).reshape(batch, num_tokens, channels)), products


def _check(model: nn.Module) -> None:
    if not isinstance(model, APViT) or isinstance(model, TransFER) or model.cnn is None:
        has_cnn = getattr(model, 'cnn', None) is not None
        raise ValueError(
            'the plain implementation needs APViT with a CNN (model.backbone.type=APViT, '
            f'model.backbone.cnn); this backbone is {type(model).__name__} '
            f'{"with" if has_cnn else "without"} a CNN'
        )
    wanted = {}
    if model.out_type != 'avg_featmap':
        wanted['model.backbone.out_type'] = (model.out_type, 'cls_token')
    if model.app is not None:
        for key, value in (('criterion', 'abs'), ('mode', 'hard'), ('score_on', 'tokens')):
            wanted[f'model.backbone.app.{key}'] = (getattr(model.app, key), value)
    for layer in model.layers:
        scale = 0 if isinstance(layer.attn.gamma1, nn.Identity) else 'above 0'
        wanted['model.backbone.layer_cfg.layer_scale_init_value'] = (scale, 0)
        activation = str(layer.ffn.layers[0][1])
        wanted['model.backbone.layer_cfg.act_cfg'] = (activation, str(nn.GELU()))
        if isinstance(layer, ATPBlock):
            wanted['model.backbone.atp.criterion'] = (layer.criterion, 'sum')
    wrong = [f'{key}={has!r} instead of {to!r}' for key, (has, to) in wanted.items() if has != to]
    if wrong:
        raise ValueError(
            f"the plain implementation needs the paper's model; got {', '.join(wrong)}"
        )
