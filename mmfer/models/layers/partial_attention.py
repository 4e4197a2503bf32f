# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""mmpretrain's multi-head attention, computed for some of the tokens only.

An output token of self-attention needs its own query, but the keys and values of all tokens. Where
only some outputs are read, the others need no query, no output projection and no MLP; what is read
is exactly the same. These functions use the parameters of mmpretrain's ``MultiheadAttention`` as
they are. ``C`` channels, ``T`` tokens, ``Q`` queries.
"""

import torch
import torch.nn.functional as F
from mmpretrain.models.utils import MultiheadAttention
from torch import Tensor


def project_query(attn: MultiheadAttention, y: Tensor) -> Tensor:
    """Queries of the normalized tokens ``(B, Q, C)``: the first third of ``attn.qkv``."""
    bias = attn.qkv.bias
    size = attn.embed_dims
    return F.linear(y, attn.qkv.weight[:size], None if bias is None else bias[:size])


def project_key_value(attn: MultiheadAttention, y: Tensor) -> tuple[Tensor, Tensor]:
    """Keys and values of the normalized tokens ``(B, T, C)``: the rest of ``attn.qkv``."""
    bias = attn.qkv.bias
    size = attn.embed_dims
    both = F.linear(y, attn.qkv.weight[size:], None if bias is None else bias[size:])
    return both.chunk(2, dim=-1)


def attention_scale(attn: MultiheadAttention) -> float:
    """What products of queries and keys are multiplied by, see :class:`.EncoderLayer`."""
    return getattr(attn, 'qk_scale', None) or attn.head_dims**-0.5


def attend(
    attn: MultiheadAttention, query: Tensor, key: Tensor, value: Tensor, seen: Tensor | None = None
) -> Tensor:
    """Attention of ``(B, Q, C)`` over ``(B, T, C)``, output projection and drop-out: (B, Q, C).

    ``seen``, bool ``(B, T)``, says which tokens are looked at; each sample needs one. A token that
    is not seen is as good as absent: its weight is exactly 0. None sees all.
    """
    query, key, value = (
        t.unflatten(-1, (attn.num_heads, attn.head_dims)).transpose(1, 2)
        for t in (query, key, value)
    )
    dropout = attn.attn_drop if attn.training else 0.0
    mask = None if seen is None else seen[:, None, None]  # the same for all heads and queries
    # The module's own, which knows its scale.
    x = attn.scaled_dot_product_attention(query, key, value, attn_mask=mask, dropout_p=dropout)
    return _project(attn, x.transpose(1, 2).flatten(2))


def attend_from_first(attn: MultiheadAttention, y: Tensor) -> Tensor:
    """What the first of the normalized tokens ``(B, T, C)`` takes from all of them: ``(B, 1, C)``.

    The same as :func:`attend` with it as the only query, but no token is projected to a key and a
    value: with one query a head, ``q . (K y) = (q K) . y`` and ``sum_t a_t V y_t = V sum_t a_t
    y_t``. That costs a hundredth for the paper's 118 tokens of 768 channels. The bias of the keys
    adds the same to all scores of a head, which a softmax does not see.
    """
    heads, size = (attn.num_heads, attn.head_dims), attn.embed_dims
    key, value = (w.unflatten(0, heads) for w in attn.qkv.weight[size:].chunk(2))
    query = project_query(attn, y[:, 0]).unflatten(-1, heads)
    query = torch.einsum('bhd,hdc->bhc', query, key)
    weights = (query @ y.transpose(1, 2) * attention_scale(attn)).softmax(-1)
    weights = F.dropout(weights, attn.attn_drop, attn.training)
    x = torch.einsum('bhc,hdc->bhd', weights @ y, value)
    if attn.qkv.bias is not None:
        # Drop-out aside, weights sum to 1.
        x = x + weights.sum(-1, keepdim=True) * attn.qkv.bias[2 * size :].unflatten(0, heads)
    return _project(attn, x.flatten(1).unsqueeze(1))


def _project(attn: MultiheadAttention, x: Tensor) -> Tensor:
    """Output projection of the heads' values ``(B, Q, C)``, layer scale and drop-out."""
    return attn.out_drop(attn.gamma1(attn.proj_drop(attn.proj(x))))
