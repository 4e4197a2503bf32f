# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Attention rollout: the share of each patch in an output token.

Attention rollout (Abnar and Zuidema, ACL 2020) multiplies the attention of all blocks, from the
first to the last. Pooling drops tokens between blocks: the product has a row for every remaining
token and a column for every patch of the grid. A dropped token keeps the relevance that it passed
on in earlier blocks and gets no more in later ones.

Shapes: ``B`` images, ``L`` blocks, ``H`` heads, ``N`` patches of the grid, ``n_l`` patches at the
input of block ``l`` (``n_L`` after the last), ``T_l = 1 + n_l`` tokens, [class] first.
"""

from collections.abc import Callable, Mapping, Sequence

import torch
from mmpretrain.models.utils import MultiheadAttention
from torch import Tensor
from torch.nn import functional as F

from mmfer.models.layers.attentive_pooling import take_tokens
from mmfer.models.layers.partial_attention import attention_scale

#: Names of the ways to join attention heads.
HEADS = ('mean', 'max')

#: ``out_type`` of the backbone -> function from relevance ``(B, T, 1 + N)`` of the tokens to
#: relevance ``(B, 1 + N)`` of the output.
READ_BY: Mapping[str, Callable[[Tensor], Tensor]] = {
    'cls_token': lambda relevance: relevance[:, 0],
    'avg_featmap': lambda relevance: relevance[:, 1:].mean(dim=1),
}


def attention_weights(attn: MultiheadAttention, y: Tensor) -> Tensor:
    """Compute the attention ``(B, H, T, T)`` of a layer over its normalized input ``(B, T, C)``.

    Rows are queries and sum to 1.
    """
    query, key, _ = attn.qkv(y).unflatten(-1, (3, attn.num_heads, attn.head_dims)).unbind(2)
    products = torch.einsum('bqhd,bkhd->bhqk', query, key)
    return (products * attention_scale(attn)).softmax(dim=-1)


def join_heads(weights: Tensor, heads: str = 'mean') -> Tensor:
    """Join the heads of attention ``(B, H, T, T)`` to ``(B, T, T)`` whose rows sum to 1.

    Args:
        weights (Tensor): Rows sum to 1.
        heads (str): ``'mean'`` (default), as in Abnar and Zuidema, or ``'max'``, the maximum over
            heads, rescaled so that rows sum to 1; it shows what any single head attends to.

    Raises:
        ValueError: ``heads`` is unknown.
    """
    if heads == 'mean':
        return weights.mean(dim=1)
    if heads == 'max':
        largest = weights.amax(dim=1)
        return largest / largest.sum(dim=-1, keepdim=True)
    raise ValueError(f'heads must be one of {HEADS}, got {heads!r}')


def positions_at_blocks(
    left: Mapping[str, Tensor], num_layers: int, num_patches: int, batch: int
) -> list[Tensor]:
    """Return the raster positions of the patches at the input of each block and after the last.

    Args:
        left (Mapping[str, Tensor]): The indices that ``APViT.forward_with_indices`` returns:
            positions ``(B, n)`` after ``'app'`` and after pooling blocks ``'layers.<i>'``.
        num_layers (int): Blocks ``L``.
        num_patches (int): Patches ``N``.
        batch (int): Images ``B``.

    Returns:
        ``L + 1`` tensors ``(B, n_l)``, ascending.
    """
    positions = [left['app'] if 'app' in left else torch.arange(num_patches).expand(batch, -1)]
    for i in range(num_layers):
        positions.append(left.get(f'layers.{i}', positions[-1]))
    return positions


def rows_kept(before: Tensor, after: Tensor) -> Tensor | None:
    """Return the rows ``(B, 1 + m)`` of the tokens that a pooling keeps.

    Args:
        before (Tensor): Raster positions ``(B, n)`` of the patches before the pooling, ascending.
        after (Tensor): Raster positions ``(B, m)`` after it, ascending, a subset of ``before``.

    Returns:
        Rows among ``1 + n`` tokens, 0 = [class], ascending; None if all tokens are kept.
    """
    if after.shape == before.shape:
        return None

    rows = torch.searchsorted(before.contiguous(), after.contiguous())
    return F.pad(rows + 1, (1, 0))


def multiply_blocks(
    matrices: Sequence[Tensor], positions: Sequence[Tensor], num_patches: int
) -> Tensor:
    """Multiply the mixing matrices of all blocks, first to last, with tokens dropped in between.

    Args:
        matrices (Sequence[Tensor]): The mixing matrix ``(B, T_l, T_l)`` of each of the ``L``
            blocks, with a row for every output token, before tokens are dropped.
        positions (Sequence[Tensor]): ``L + 1`` tensors ``(B, n_l)`` with raster positions of
            patches, ascending, each a subset of the previous one: see :func:`positions_at_blocks`.
        num_patches (int): ``N``.

    Returns:
        Tensor: ``(B, T_L, 1 + N)``: the relevance of the [class] embedding (first column) and of
        each patch of the grid for every remaining token. Columns of patches that were dropped
        before the first block are 0.

    Raises:
        ValueError: The numbers of blocks or tokens do not match.
    """
    if len(positions) != len(matrices) + 1:
        raise ValueError(
            f'{len(matrices)} blocks need positions at {len(matrices) + 1} places, got '
            f'{len(positions)}'
        )
    positions = [p.to(matrices[0].device) for p in positions]
    columns = F.pad(positions[0] + 1, (1, 0))
    product = F.one_hot(columns, 1 + num_patches).to(matrices[0])
    for i, matrix in enumerate(matrices):
        if matrix.shape[-1] != 1 + positions[i].shape[1]:
            raise ValueError(
                f'block {i} has attention of shape {tuple(matrix.shape)} over '
                f'{positions[i].shape[1]} patches and [class]'
            )
        product = matrix @ product
        rows = rows_kept(positions[i], positions[i + 1])
        if rows is not None:
            product = take_tokens(product, rows)
    return product


def rollout(weights: Sequence[Tensor], positions: Sequence[Tensor], num_patches: int) -> Tensor:
    """Compute attention rollout over blocks between which tokens are dropped.

    A block mixes tokens by ``0.5 * A + 0.5 * I``, half attention and half residual connection, as
    in Abnar and Zuidema (2020), Sec. 3. Rows of dropped tokens are then removed. The MLP of a block
    mixes no tokens, so it does not appear here.

    Args:
        weights (Sequence[Tensor]): The attention ``(B, T_l, T_l)`` of each of the ``L`` blocks;
            rows (queries) sum to 1.
        positions (Sequence[Tensor]): See :func:`multiply_blocks`.
        num_patches (int): ``N``.

    Returns:
        Tensor: ``(B, T_L, 1 + N)``: the shares of the [class] embedding (first column) and of each
        patch of the grid in every remaining token. Rows sum to 1.

    Raises:
        ValueError: The numbers of blocks or tokens do not match.
    """
    halves = [0.5 * w + 0.5 * torch.eye(w.shape[-1]).to(w) for w in weights]
    return multiply_blocks(halves, positions, num_patches)
