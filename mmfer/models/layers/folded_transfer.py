# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import torch
from mmcv.cnn import build_activation_layer
from mmengine.model import BaseModule
from torch import Tensor, nn

from .knowledge_transfer import KnowledgeTransfer


class WideLinear(nn.Linear):
    """Linear layer for few rows, which reads its weights once for all rows.

    With the two rows of one image, the adapter spends its time reading 42 MB of weights. BLAS reads
    them once if the weights are the left factor, but once per row in ``F.linear``.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(..., in_features)`` to ``(..., out_features)``."""
        # Rows must be contiguous: with contiguous columns the product takes four times as long.
        rows = x.reshape(-1, self.in_features).contiguous()
        y = torch.mm(self.weight, rows.t()).t()
        return (y + self.bias).reshape(*x.shape[:-1], self.out_features)


class FoldedTransfer(BaseModule):
    """:class:`KnowledgeTransfer` without priors, with the knowledge token folded into constants.

    In inference, two tokens attend to each other, and one of them is constant: its query becomes a
    buffer, its key and value become part of the biases. A softmax over two tokens is the sigmoid of
    their score difference, so only the difference between the keys and values of both tokens is
    needed. The row of the knowledge token still depends on the image, because it attends to the
    canonical token. Both rows pass through the FFN.

    Args:
        embed_dims (int): Token width ``D``.
        num_heads (int): Attention heads, a divisor of ``embed_dims``.
        feedforward_channels (int): Hidden width of the FFN.
        act_cfg (dict, optional): Activation of the FFN. Defaults to None, GELU.
    """

    def __init__(
        self,
        embed_dims: int,
        num_heads: int,
        feedforward_channels: int,
        act_cfg: dict | None = None,
    ):
        super().__init__()
        self.heads = (num_heads, embed_dims // num_heads)
        self.register_buffer('token', torch.zeros(embed_dims))
        self.register_buffer('query', torch.zeros(embed_dims))
        # For the canonical token: its query; its key and value minus those of the knowledge token.
        self.qkv = WideLinear(embed_dims, 3 * embed_dims)
        # The bias is the projected value of the knowledge token.
        self.proj = WideLinear(embed_dims, embed_dims)
        self.ln1 = nn.LayerNorm(embed_dims)
        self.fc1 = WideLinear(embed_dims, feedforward_channels)
        self.act = build_activation_layer(act_cfg or dict(type='GELU'))
        self.fc2 = WideLinear(feedforward_channels, embed_dims)
        self.ln2 = nn.LayerNorm(embed_dims)

    @staticmethod
    def can_replace(transfer: KnowledgeTransfer) -> bool:
        """Whether ``transfer`` is one post-norm block with one knowledge token, as in the paper.

        In a second block the row of the knowledge token depends on the image, so nothing is
        constant.
        """
        one_block = not transfer.earlier and not transfer.pre_norm
        return one_block and transfer.num_knowledge == 1

    @torch.no_grad()
    def take_over(self, transfer: KnowledgeTransfer) -> 'FoldedTransfer':
        """Convert the weights of a :class:`KnowledgeTransfer` of the same size; return ``self``."""
        attn, ffn = transfer.attn, transfer.ffn.layers
        for ours, theirs in (
            (self.qkv, attn.qkv),
            (self.proj, attn.proj),
            (self.ln1, transfer.ln1),
            (self.fc1, ffn[0][0]),
            (self.act, ffn[0][1]),  # PReLU has a weight
            (self.fc2, ffn[1]),
            (self.ln2, transfer.ln2),
        ):
            ours.load_state_dict(theirs.state_dict())
        token = transfer.knowledge[0, 0]
        query, key, value = attn.qkv(token).chunk(3)
        self.token.copy_(token)
        self.query.copy_(query)
        self.qkv.bias -= torch.cat((torch.zeros_like(query), key, value))
        self.proj.bias.copy_(attn.proj(value))
        return self

    def forward(self, canonical: Tensor) -> tuple[Tensor, Tensor]:
        """Map the canonical token ``(B, D)`` to the knowledge row and the canonical row."""
        query, key, value = self.qkv(canonical).chunk(3, dim=-1)
        queries = torch.stack((self.query.expand_as(query), query), dim=1)
        scores = (queries * key.unsqueeze(1)).unflatten(-1, self.heads).sum(-1, keepdim=True)
        share = (scores * self.heads[1] ** -0.5).sigmoid()  # attention to the canonical token
        mixed = share * value.unflatten(-1, self.heads).unsqueeze(1)
        rows = torch.stack((self.token.expand_as(canonical), canonical), dim=1)
        rows = self.ln1(rows + self.proj(mixed.flatten(2)))
        rows = self.ln2(rows + self.fc2(self.act(self.fc1(rows))))
        return rows[:, 0], rows[:, 1]
