# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""mmpretrain's multi-head attention, computed for some of the tokens only.

An output token of self-attention needs its own query, but the keys and values of all tokens. If
only some outputs are used, the others need no query, output projection or MLP, and the used outputs
are exactly the same. These functions use the parameters of mmpretrain's ``MultiheadAttention``
unchanged. ``C`` channels, ``T`` tokens, ``Q`` queries.
"""

import torch
import torch.nn.functional as F
from mmpretrain.models.utils import MultiheadAttention
from torch import Tensor


def project_query(attn: MultiheadAttention, y: Tensor) -> Tensor:
    """Compute queries of normalized tokens ``(B, Q, C)``, with the first third of ``attn.qkv``."""
    bias = attn.qkv.bias
    size = attn.embed_dims
    return F.linear(y, attn.qkv.weight[:size], None if bias is None else bias[:size])


def project_key_value(attn: MultiheadAttention, y: Tensor) -> tuple[Tensor, Tensor]:
    """Compute keys and values of normalized tokens ``(B, T, C)``, with the rest of ``attn.qkv``."""
    bias = attn.qkv.bias
    size = attn.embed_dims
    both = F.linear(y, attn.qkv.weight[size:], None if bias is None else bias[size:])
    return both.chunk(2, dim=-1)


def attention_scale(attn: MultiheadAttention) -> float:
    """Return the scale of the query-key products, see :class:`.EncoderLayer`."""
    return getattr(attn, 'qk_scale', None) or attn.head_dims**-0.5


def attend(
    attn: MultiheadAttention, query: Tensor, key: Tensor, value: Tensor, seen: Tensor | None = None
) -> Tensor:
    """Compute attention of ``(B, Q, C)`` over ``(B, T, C)``, projection and dropout: ``(B, Q, C)``.

    ``seen``, bool ``(B, T)``, marks the tokens that are attended to, at least one per sample. Other
    tokens have no effect: their weight is exactly 0. None attends to all tokens.
    """
    query, key, value = (
        t.unflatten(-1, (attn.num_heads, attn.head_dims)).transpose(1, 2)
        for t in (query, key, value)
    )
    dropout = attn.attn_drop if attn.training else 0.0
    mask = None if seen is None else seen[:, None, None]  # the same for all heads and queries
    # The function of the module, which has the right scale.
    x = attn.scaled_dot_product_attention(query, key, value, attn_mask=mask, dropout_p=dropout)
    return _project(attn, x.transpose(1, 2).flatten(2))


def attend_from_first(attn: MultiheadAttention, y: Tensor) -> Tensor:
    """Compute attention of the first normalized token over all of ``(B, T, C)``: ``(B, 1, C)``.

    Same result as :func:`attend` with this token as the only query, but tokens are not projected to
    keys and values: with one query per head, ``q . (K y) = (q K) . y`` and ``sum_t a_t V y_t =
    V sum_t a_t y_t``. For the paper's 118 tokens of 768 channels this costs a hundredth. The bias
    of the keys adds the same number to all scores of a head, which does not change the softmax.
    """
    heads, size = (attn.num_heads, attn.head_dims), attn.embed_dims
    key, value = (w.unflatten(0, heads) for w in attn.qkv.weight[size:].chunk(2))
    query = project_query(attn, y[:, 0]).unflatten(-1, heads)
    query = torch.einsum('bhd,hdc->bhc', query, key)
    weights = (query @ y.transpose(1, 2) * attention_scale(attn)).softmax(-1)
    weights = F.dropout(weights, attn.attn_drop, attn.training)
    x = torch.einsum('bhc,hdc->bhd', weights @ y, value)
    if attn.qkv.bias is not None:
        # Without dropout the weights sum to 1.
        x = x + weights.sum(-1, keepdim=True) * attn.qkv.bias[2 * size :].unflatten(0, heads)
    return _project(attn, x.flatten(1).unsqueeze(1))


def _project(attn: MultiheadAttention, x: Tensor) -> Tensor:
    """Apply output projection, layer scale and dropout to the heads' values ``(B, Q, C)``."""
    return attn.out_drop(attn.gamma1(attn.proj_drop(attn.proj(x))))
