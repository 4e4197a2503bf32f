# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""The attention of the KT-Adapter. ``B`` samples, ``P`` priors, ``D`` token width."""

import torch
import torch.nn.functional as F
from mmcv.cnn.bricks.transformer import FFN
from mmengine.model import BaseModule
from mmengine.model.weight_init import trunc_normal_
from mmpretrain.models.utils import MultiheadAttention
from torch import Tensor, nn

from .partial_attention import attend, project_key_value, project_query

#: Tokens that are always there and come first: the knowledge token and the canonical one.
NUM_KEPT = 2


def draw_kept(num_samples: int, num_priors: int, threshold: float, device=None) -> Tensor:
    """Draw the drop mask: a prior stays where ``u ~ U(0, 1)`` is above ``threshold`` (Sec. 3.3).

    Returns:
        Bool ``(B, P)``, True where the prior stays; drawn for each sample and each prior.
    """
    return torch.rand(num_samples, num_priors, device=device) > threshold


def average_rows(rows: Tensor, counted: Tensor) -> Tensor:
    """The mean ``(B, D)`` of those ``rows`` ``(B, R, D)`` where ``counted`` (bool ``(B, R)``)."""
    weight = counted.to(rows.dtype).unsqueeze(-1)
    return (rows * weight).sum(1) / weight.sum(1)


class KnowledgeTransfer(BaseModule):
    """One post-norm transformer block over ``[knowledge, canonical, priors]`` (Sec. 3.3).

    ``z = LN(z + MHSA(z))``, the canonical mask keeps the first two rows, ``z = LN(z + FFN(z))``.

    With the canonical mask nothing reads the priors' rows after the attention, so only the first
    two are computed as queries; the result is the same.

    Note:
        The paper does not say what becomes of the priors' rows where the canonical mask is off.
        Here the FFN sees them as well, after which those not dropped are averaged with the
        knowledge row. Nor does it name the FFN's activation, which is GELU here.

    Args:
        embed_dims (int): Token width ``D``.
        num_heads (int): Attention heads, a divisor of ``embed_dims``.
        ffn_ratio (float): Hidden width of the FFN, in units of ``embed_dims``.
        canonical_mask (bool): Whether the canonical mask is on. Defaults to True.
        init_scale (float): What the last layer norm's weight starts from. With 0 both outputs are
            0 at first. Defaults to 1.
        init_cfg (dict, optional): Initialisation. Defaults to None.
    """

    def __init__(
        self,
        embed_dims: int,
        num_heads: int,
        ffn_ratio: float,
        canonical_mask: bool = True,
        init_scale: float = 1.0,
        init_cfg: dict | None = None,
    ):
        super().__init__(init_cfg)
        self.canonical_mask = canonical_mask
        self.knowledge = nn.Parameter(torch.zeros(1, 1, embed_dims))
        self.attn = MultiheadAttention(embed_dims, num_heads)
        self.ln1 = nn.LayerNorm(embed_dims)
        self.ffn = FFN(embed_dims, int(embed_dims * ffn_ratio), act_cfg=dict(type='GELU'))
        self.ln2 = nn.LayerNorm(embed_dims)
        trunc_normal_(self.knowledge, std=0.02)
        nn.init.constant_(self.ln2.weight, init_scale)

    def forward(
        self, canonical: Tensor, priors: Tensor, kept: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Let the knowledge token and the canonical one attend to the priors.

        Args:
            canonical: ``(B, D)``.
            priors: ``(B, P, D)``; P may be 0, as it is in inference.
            kept: Bool ``(B, P)``, False where a prior is as good as absent. None keeps all.

        Returns:
            tuple: The knowledge row and the canonical row, each ``(B, D)``.
        """
        # Not len(canonical): to an exporter that is a constant, the batch it traces with.
        knowledge = self.knowledge.expand(canonical.shape[0], -1, -1)
        z = torch.cat((knowledge, canonical.unsqueeze(1), priors), dim=1)
        seen = None if kept is None else F.pad(kept, (NUM_KEPT, 0), value=True)

        rows = z[:, :NUM_KEPT] if self.canonical_mask else z
        key, value = project_key_value(self.attn, z)
        mixed = attend(self.attn, project_query(self.attn, rows), key, value, seen)
        rows = self.ln2(self.ffn(self.ln1(rows + mixed)))

        knowledge, canonical = rows[:, 0], rows[:, 1]
        if not self.canonical_mask:
            if seen is None:
                seen = rows.new_ones(rows.shape[:2], dtype=torch.bool)
            counted = seen.clone()
            counted[:, 1] = False  # the canonical row stays by itself
            knowledge = average_rows(rows, counted)
        return knowledge, canonical
