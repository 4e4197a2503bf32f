# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Which patches speak for a class: the transformer attribution of Chefer, Gur and Wolf (CVPR 2021).

For the attention ``A`` of every block and head, two quantities: its relevance ``R``, by layer-wise
relevance propagation from the score of the class (:mod:`.relevance_rules`), and the gradient ``G``
of the same score. A block passes on ``I + mean over heads of max(G * R, 0)``, the matrices of all
blocks are multiplied, and the row of the [class] token is the map.

Tokens that pooling drops leave between two factors of the product, as in
:mod:`.attention_rollout`. Nothing that is computed after a block reads the rows of the tokens that
it drops, so their relevance and gradient are 0: all of this is what a model has that keeps every
token and masks the dropped ones.

Where a head reads the average of the patches, the average is one more attention, with even weights
and no residual connection; the original method has only the [class] token.

Shapes: as in :mod:`.attention_rollout`, with ``C`` channels, ``D = C / H`` of a head and ``K``
classes.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from mmpretrain.models.backbones.vision_transformer import TransformerEncoderLayer
from torch import Tensor, nn
from torch.nn import functional as F

from mmfer.models.layers.attentive_pooling import take_tokens
from mmfer.models.layers.partial_attention import attention_scale

from .attention_rollout import HEADS
from .relevance_rules import divide, through_linear, through_product, through_sum


@dataclass
class Attribution:
    """What a class owes to attention.

    Attributes:
        logits (Tensor): ``(B, K)``, as the model computes them.
        relevance (list[Tensor]): Of each block's attention, ``(B, H, T_l, T_l)``.
        gradients (list[Tensor]): Of the score of the class by each block's attention,
            ``(B, H, T_l, T_l)``.
        read (Tensor): What the head takes from each token after the last block, ``(B, T_L)``: 1 for
            the [class] token where it reads that.
        tokens (Tensor): Relevance of the tokens that enter the first block, ``(B, T_0, C)``.
    """

    logits: Tensor
    relevance: list[Tensor]
    gradients: list[Tensor]
    read: Tensor
    tokens: Tensor


class Chain:
    """Modules that run one after the other, of which only linear layers share relevance out."""

    def __init__(self, modules: Iterable[nn.Module]):
        self.leaves = [leaf for m in modules for leaf in m.modules() if not [*leaf.children()]]
        self.inputs: list[Tensor] = []

    def run(self, x: Tensor) -> Tensor:
        self.inputs = []
        for leaf in self.leaves:
            self.inputs.append(x)
            x = leaf(x)
        return x

    def relevance(self, relevance: Tensor) -> Tensor:
        """Relevance of the input that :meth:`run` got last, from that of its output."""
        for leaf, x in zip(reversed(self.leaves), reversed(self.inputs), strict=True):
            if isinstance(leaf, nn.Linear):
                relevance = through_linear(relevance, x, leaf.weight)
        return relevance


class Block:
    """A transformer block, computed for all tokens step by step so that relevance can go back.

    Args:
        layer (TransformerEncoderLayer): Of mmpretrain's kind, in eval mode.
        x (Tensor): Tokens ``(B, T, C)`` that enter it.
        kept (Tensor, optional): Rows ``(B, T')`` of the tokens that stay, ascending; None for all.
    """

    def __init__(self, layer: TransformerEncoderLayer, x: Tensor, kept: Tensor | None = None):
        attn = layer.attn
        self.layer, self.x, self.kept = layer, x, kept
        self.y = layer.ln1(x)
        qkv = attn.qkv(self.y).unflatten(-1, (3, attn.num_heads, attn.head_dims))
        self.query, self.key, self.value = qkv.permute(2, 0, 3, 1, 4)
        products = self.query @ self.key.mT
        self.attention = (products * attention_scale(attn)).softmax(dim=-1)
        self.heads = (self.attention @ self.value).transpose(1, 2).flatten(2)
        self.attended = attn.gamma1(attn.proj(self.heads))
        stays = x + self.attended
        self.stays = stays if kept is None else take_tokens(stays, kept)
        self.mlp = Chain([layer.ln2, layer.ffn.layers, layer.ffn.gamma2])
        self.changed = self.mlp.run(self.stays)
        self.output = self.stays + self.changed

    def relevance(self, relevance: Tensor) -> tuple[Tensor, Tensor]:
        """Relevance of the input ``(B, T, C)`` and of the attention, from that of the output."""
        attn = self.layer.attn
        stays, changed = through_sum(relevance, self.stays, self.changed)
        relevance = stays + self.mlp.relevance(changed)
        if self.kept is not None:
            rows = self.kept.unsqueeze(-1).expand_as(relevance)
            relevance = torch.zeros_like(self.x).scatter(1, rows, relevance)
        x, attended = through_sum(relevance, self.x, self.attended)
        heads = through_linear(attended, self.heads, attn.proj.weight)
        heads = heads.unflatten(-1, (attn.num_heads, attn.head_dims)).transpose(1, 2)
        attention, value = through_product(heads, self.attention, self.value)
        query, key = through_product(attention, self.query, self.key.mT)
        qkv = torch.stack((query, key.mT, value)).permute(1, 3, 0, 2, 4).flatten(2)
        return x + through_linear(qkv, self.y, attn.qkv.weight), attention


def attribute(
    layers: Sequence[TransformerEncoderLayer],
    norm: nn.Module,
    head: Sequence[nn.Module],
    tokens: Tensor,
    kept: Sequence[Tensor | None],
    target: Tensor | None = None,
    average: bool = False,
) -> Attribution:
    """Run a transformer and propagate relevance and gradient of a class back through it.

    Args:
        layers (Sequence[TransformerEncoderLayer]): The ``L`` blocks, in eval mode.
        norm (nn.Module): Normalization after the last.
        head (Sequence[nn.Module]): Modules from the feature to the ``K`` scores, one after the
            other.
        tokens (Tensor): ``(B, T_0, C)``, [class] first.
        kept (Sequence[Tensor | None]): For each block the rows ``(B, T_l+1)`` of the tokens that
            stay, None for all.
        target (Tensor, optional): Class ``(B,)`` of each image. Defaults to None: the one with the
            largest score.
        average (bool): Whether the head reads the average of the patches instead of the [class]
            token. Defaults to False.
    """
    blocks: list[Block] = []
    x = tokens.detach().requires_grad_()  # so that there are gradients in a frozen model
    with torch.enable_grad():
        for layer, rows in zip(layers, kept, strict=True):
            blocks.append(Block(layer, x, rows))
            x = blocks[-1].output
        last = norm(x)
        even = x.new_full((len(x), 1, last.shape[1] - 1), 1 / (last.shape[1] - 1))
        even.requires_grad_()
        feature = (even @ last[:, 1:]).squeeze(1) if average else last[:, 0]
        classify = Chain(head)
        logits = classify.run(feature)
        target = logits.argmax(-1) if target is None else target
        scores = logits.gather(1, target.unsqueeze(1))
        wanted = [block.attention for block in blocks] + [even] * average
        gradients = list(torch.autograd.grad(scores.sum(), wanted))

    with torch.no_grad():
        relevance = classify.relevance(F.one_hot(target, logits.shape[1]).to(logits))
        if average:
            # The weights are no variables of the model, so the patches get the whole relevance.
            quotient = divide(relevance, feature).unsqueeze(1)
            relevance = F.pad(even.mT * last[:, 1:] * quotient, (0, 0, 1, 0))
            weights = relevance.sum(-1)[:, 1:] * gradients.pop().squeeze(1)
            read = F.pad(weights.clamp(min=0), (1, 0))
        else:
            relevance = F.pad(relevance.unsqueeze(1), (0, 0, 0, last.shape[1] - 1))
            read = F.pad(logits.new_ones(len(x), 1), (0, last.shape[1] - 1))
        attention = []
        for block in reversed(blocks):
            relevance, of_attention = block.relevance(relevance)
            attention.insert(0, of_attention)
    return Attribution(logits.detach(), attention, gradients, read, relevance)


def block_matrices(attribution: Attribution, heads: str = 'mean') -> list[Tensor]:
    """What each block passes on, ``(B, T_l, T_l)``: ``I + mean over heads of max(G * R, 0)``.

    Args:
        attribution (Attribution): From :func:`attribute`.
        heads (str): ``'mean'`` (default), as in the paper, or ``'max'``.

    Raises:
        ValueError: ``heads`` is neither.
    """
    if heads not in HEADS:
        raise ValueError(f'heads must be one of {HEADS}, got {heads!r}')
    matrices = []
    for relevance, gradient in zip(attribution.relevance, attribution.gradients, strict=True):
        both = (gradient * relevance).clamp(min=0)
        joined = both.mean(1) if heads == 'mean' else both.amax(1)
        matrices.append(joined + torch.eye(joined.shape[-1]).to(joined))
    return matrices


def head_modules(head: nn.Module) -> list[nn.Module]:
    """The modules that a classification head runs one after the other.

    Raises:
        ValueError: It is built in another way.
    """
    for name in ('layers', 'fc'):  # several linear layers with activations between, or one
        if isinstance(getattr(head, name, None), nn.Module):
            return [getattr(head, name)]
    raise ValueError(
        f'relevance is propagated through a head of linear layers, such as LinearClsHead, and '
        f'model.head is a {type(head).__name__}; choose method rollout'
    )
