# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""The attention of the KT-Adapter.

Shapes: ``B`` samples, ``K`` knowledge tokens, ``P`` priors, ``D`` token width. Tokens are always in
the order ``[knowledge, canonical, priors]``.
"""

import torch
import torch.nn.functional as F
from mmcv.cnn.bricks.transformer import FFN
from mmengine.model import BaseModule, ModuleList
from mmengine.model.weight_init import trunc_normal_
from mmpretrain.models.utils import MultiheadAttention
from torch import Tensor, nn

from .partial_attention import attend, project_key_value, project_query

#: Where a block normalizes: after each residual sum, or before attention and FFN.
NORM_PLACES = ('post', 'pre')


def average_rows(rows: Tensor, counted: Tensor) -> Tensor:
    """Return the mean ``(B, D)`` of the ``rows`` ``(B, R, D)`` that are ``counted`` ``(B, R)``."""
    weight = counted.to(rows.dtype).unsqueeze(-1)
    return (rows * weight).sum(1) / weight.sum(1)


class TransferBlock(BaseModule):
    """Transformer block that can compute only the first tokens of its output.

    ``norm='post'``: ``z = LN(z + MHSA(z))``, then ``z = LN(z + FFN(z))``. ``norm='pre'``:
    ``z = z + MHSA(LN(z))``, then ``z = z + FFN(LN(z))``.

    Args:
        embed_dims (int): Token width ``D``.
        num_heads (int): Attention heads, a divisor of ``embed_dims``.
        ffn_ratio (float): Hidden width of the FFN, in units of ``embed_dims``.
        norm (str): 'post' or 'pre'. Defaults to 'post'.
        act_cfg (dict, optional): Activation of the FFN. Defaults to None, GELU.
    """

    def __init__(
        self,
        embed_dims: int,
        num_heads: int,
        ffn_ratio: float,
        norm: str = 'post',
        act_cfg: dict | None = None,
    ):
        super().__init__()
        self.pre_norm = norm == 'pre'
        self.attn = MultiheadAttention(embed_dims, num_heads)
        self.ln1 = nn.LayerNorm(embed_dims)
        self.act_cfg = act_cfg or dict(type='GELU')
        self.ffn = FFN(embed_dims, int(embed_dims * ffn_ratio), act_cfg=self.act_cfg)
        self.ln2 = nn.LayerNorm(embed_dims)

    def transform(self, z: Tensor, seen: Tensor | None, num_rows: int | None = None) -> Tensor:
        """Transform tokens.

        Args:
            z (Tensor): ``(B, T, D)``.
            seen (Tensor, optional): Bool ``(B, T)``, the tokens that are attended to. None: all.
            num_rows (int, optional): Number of rows to compute, from the first. Defaults to None,
                all.

        Returns:
            Tensor: ``(B, num_rows, D)``.
        """
        y = self.ln1(z) if self.pre_norm else z
        key, value = project_key_value(self.attn, y)
        mixed = attend(self.attn, project_query(self.attn, y[:, :num_rows]), key, value, seen)
        rows = z[:, :num_rows] + mixed
        if self.pre_norm:
            return self.ffn(self.ln2(rows), rows)
        return self.ln2(self.ffn(self.ln1(rows)))


class KnowledgeTransfer(TransferBlock):
    """Transformer blocks over ``[knowledge, canonical, priors]``; the paper has one block.

    The default is one post-norm block (Sec. 3.3): ``z = LN(z + MHSA(z))``, then the canonical mask
    keeps the knowledge row and the canonical row, then ``z = LN(z + FFN(z))``. With this mask, the
    rows of the priors are not used after the last attention, so queries are computed only for the
    other rows; the result is the same. Rows of several knowledge tokens are averaged at the end.

    Note:
        Our choices where the paper is silent: without the canonical mask, the FFN also processes
        the rows of the priors, and the kept ones are averaged with the knowledge row. The
        activation of the FFN is GELU. The norm is post-norm. The paper has a single block; with
        several, all but the last keep the rows of the priors for the next block, and the canonical
        mask applies in the last. With ``norm='pre'`` a layer norm follows the last block, as in
        other pre-norm transformers.

    This module is the last block itself; ``earlier`` holds the blocks before it. So the weight
    names of a single block do not depend on the options.

    Args:
        embed_dims (int): Token width ``D``.
        num_heads (int): Attention heads, a divisor of ``embed_dims``.
        ffn_ratio (float): Hidden width of the FFN, in units of ``embed_dims``.
        canonical_mask (bool): Whether to use the canonical mask. Defaults to True.
        init_scale (float): Initial weight of the last layer norm. With 0 both outputs are 0 at
            first. Defaults to 1.
        num_layers (int): Number of blocks. Defaults to 1.
        num_knowledge (int): Number of knowledge tokens ``K``. Defaults to 1.
        norm (str): See :class:`TransferBlock`. Defaults to 'post'.
        act_cfg (dict, optional): Activation of the FFN. Defaults to None, GELU.
    """

    def __init__(
        self,
        embed_dims: int,
        num_heads: int,
        ffn_ratio: float,
        canonical_mask: bool = True,
        init_scale: float = 1.0,
        num_layers: int = 1,
        num_knowledge: int = 1,
        norm: str = 'post',
        act_cfg: dict | None = None,
    ):
        block = (embed_dims, num_heads, ffn_ratio, norm, act_cfg)
        super().__init__(*block)
        self.canonical_mask = canonical_mask
        self.num_knowledge = num_knowledge
        self.knowledge = nn.Parameter(torch.zeros(1, num_knowledge, embed_dims))
        trunc_normal_(self.knowledge, std=0.02)
        self.earlier = ModuleList(TransferBlock(*block) for _ in range(num_layers - 1))
        if self.pre_norm:
            self.ln3 = nn.LayerNorm(embed_dims)
        nn.init.constant_((self.ln3 if self.pre_norm else self.ln2).weight, init_scale)

    def forward(
        self, canonical: Tensor, priors: Tensor, kept: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Let the knowledge tokens and the canonical one attend to the priors.

        Args:
            canonical (Tensor): ``(B, D)``.
            priors (Tensor): ``(B, P, D)``; P may be 0, as in inference.
            kept (Tensor, optional): Bool ``(B, P)``, False for dropped priors, which have no
                effect. Defaults to None, keep all.

        Returns:
            tuple: The knowledge row and the canonical row, each ``(B, D)``.
        """
        # Not len(canonical): an exporter would trace it as a constant batch size.
        knowledge = self.knowledge.expand(canonical.shape[0], -1, -1)
        z = torch.cat((knowledge, canonical.unsqueeze(1), priors), dim=1)
        always = self.num_knowledge + 1  # tokens that are never dropped
        seen = None if kept is None else F.pad(kept, (always, 0), value=True)

        for block in self.earlier:
            z = block.transform(z, seen)
        rows = self.transform(z, seen, always if self.canonical_mask else None)
        if self.pre_norm:
            rows = self.ln3(rows)

        # All rows but the canonical one are averaged.
        before, after = rows[:, : self.num_knowledge], rows[:, always:]
        others, canonical = torch.cat((before, after), dim=1), rows[:, self.num_knowledge]
        if self.canonical_mask or kept is None:
            return others.mean(1), canonical
        counted = F.pad(kept, (self.num_knowledge, 0), value=True)
        return average_rows(others, counted), canonical
