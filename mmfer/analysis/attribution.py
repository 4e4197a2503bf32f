# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Patches that support a class: the transformer attribution of Chefer, Gur and Wolf (CVPR 2021).

The method computes two quantities for the attention ``A`` of every block and head: its relevance
``R``, by layer-wise relevance propagation from the score of the class (:mod:`.relevance_rules`),
and the gradient ``G`` of the same score. The matrix of a block is
``I + mean over heads of max(G * R, 0)``. The matrices of all blocks are multiplied, and the row of
the [class] token is the map.

Tokens dropped by pooling are removed between two factors of the product, as in
:mod:`.attention_rollout`. No later layer reads the rows of dropped tokens, so their relevance and
gradient are 0. The result equals that of a model that keeps every token and masks the dropped ones.

If a head reads the average of the patches, the average is treated as one more attention, with equal
weights and no residual connection; the original method covers only the [class] token.

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
    """Relevance and gradients of attention for the score of a class.

    Attributes:
        logits (Tensor): ``(B, K)``, as the model computes them.
        relevance (list[Tensor]): Relevance of each block's attention, ``(B, H, T_l, T_l)``.
        gradients (list[Tensor]): Gradient of the class score with respect to each block's
            attention, ``(B, H, T_l, T_l)``.
        read (Tensor): Weight of each token after the last block in the head's input, ``(B, T_L)``:
            one-hot if the head reads the [class] token.
        tokens (Tensor): Relevance of the tokens that enter the first block, ``(B, T_0, C)``.
    """

    logits: Tensor
    relevance: list[Tensor]
    gradients: list[Tensor]
    read: Tensor
    tokens: Tensor


class Chain:
    """Modules run in sequence. Linear layers redistribute relevance, others pass it on."""

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
        """Return the relevance of the last input of :meth:`run`, given that of its output."""
        for leaf, x in zip(reversed(self.leaves), reversed(self.inputs), strict=True):
            if isinstance(leaf, nn.Linear):
                relevance = through_linear(relevance, x, leaf.weight)
        return relevance


class Block:
    """A transformer block computed step by step, with intermediate values for backward relevance.

    Args:
        layer (TransformerEncoderLayer): The block, in eval mode.
        x (Tensor): Its input tokens ``(B, T, C)``.
        kept (Tensor, optional): Rows ``(B, T')`` of the kept tokens, ascending. Defaults to None:
            all tokens are kept.
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
        """Return the relevance of the input ``(B, T, C)`` and of the attention ``(B, H, T, T)``.

        Args:
            relevance (Tensor): Relevance of the output ``(B, T', C)``.
        """
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
        norm (nn.Module): Normalization after the last block.
        head (Sequence[nn.Module]): Modules from the feature to the ``K`` scores, run in sequence.
        tokens (Tensor): ``(B, T_0, C)``, [class] first.
        kept (Sequence[Tensor | None]): For each block, the rows ``(B, T_l+1)`` of the kept tokens,
            or None if all are kept.
        target (Tensor, optional): Class ``(B,)`` of each image. Defaults to None, the class with
            the largest score.
        average (bool): Whether the head reads the average of the patches instead of the [class]
            token. Defaults to False.
    """
    blocks: list[Block] = []
    x = tokens.detach().requires_grad_()  # a frozen model needs gradients, too
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
            # The weights of the average are constants, so the patches get the whole relevance.
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
    """Return the matrix ``(B, T_l, T_l)`` of each block, ``I + mean over heads of max(G * R, 0)``.

    Args:
        attribution (Attribution): From :func:`attribute`.
        heads (str): ``'mean'`` (default), as in the paper, or ``'max'``.

    Raises:
        ValueError: ``heads`` is unknown.
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
    """Return the modules that a classification head runs in sequence.

    Raises:
        ValueError: The head has neither ``layers`` nor ``fc``.
    """
    for name in ('layers', 'fc'):  # an MLP, or one linear layer
        if isinstance(getattr(head, name, None), nn.Module):
            return [getattr(head, name)]
    raise ValueError(
        f'relevance needs a head of linear layers, such as LinearClsHead, and model.head is a '
        f'{type(head).__name__}; use method rollout'
    )
