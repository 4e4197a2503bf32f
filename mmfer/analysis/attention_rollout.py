# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""How much of each patch an output token is made of, by attention rollout.

Attention rollout (Abnar and Zuidema, ACL 2020) multiplies the attention of all blocks, from the
first to the last. With pooling, tokens leave on the way: the rows of the product are those of the
tokens that are left, its columns always those of all patches. A token that was dropped thereby
keeps the relevance that it had passed on in the blocks before, and gets none from there on.

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

#: How heads are joined, by name.
HEADS = ('mean', 'max')

#: The tokens that a backbone's ``out_type`` reads: relevance ``(B, T, 1 + N)`` -> ``(B, 1 + N)``.
READ_BY: Mapping[str, Callable[[Tensor], Tensor]] = {
    'cls_token': lambda relevance: relevance[:, 0],
    'avg_featmap': lambda relevance: relevance[:, 1:].mean(dim=1),
}


def attention_weights(attn: MultiheadAttention, y: Tensor) -> Tensor:
    """Attention ``(B, H, T, T)`` of a layer to its normalized input ``(B, T, C)``.

    Rows are queries and sum to 1.
    """
    query, key, _ = attn.qkv(y).unflatten(-1, (3, attn.num_heads, attn.head_dims)).unbind(2)
    products = torch.einsum('bqhd,bkhd->bhqk', query, key)
    return (products * attention_scale(attn)).softmax(dim=-1)


def join_heads(weights: Tensor, heads: str = 'mean') -> Tensor:
    """Join the heads of attention ``(B, H, T, T)`` to ``(B, T, T)`` whose rows sum to 1.

    Args:
        weights (Tensor): Rows sum to 1.
        heads (str): ``'mean'`` (default), as Abnar and Zuidema do, or ``'max'``, the largest of
            the heads, scaled back to rows of sum 1; it shows what any single head looks at.

    Raises:
        ValueError: ``heads`` is neither.
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
    """Raster positions of the patches at the input of each block and after the last.

    Args:
        left (Mapping[str, Tensor]): What ``APViT.forward_with_indices`` says: positions ``(B, n)``
            after ``'app'`` and after pooling blocks ``'layers.<i>'``.
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
    """Rows ``(B, 1 + m)`` of the tokens that stay where of patches ``before`` those ``after`` do.

    Args:
        before (Tensor): Raster positions ``(B, n)``, ascending.
        after (Tensor): Raster positions ``(B, m)``, ascending, a subset.

    Returns:
        Rows among ``1 + n`` tokens, 0 = [class], ascending; None where all stay.
    """
    if after.shape == before.shape:
        return None
    # Both ascend, so a patch is found among those before by bisection.
    rows = torch.searchsorted(before.contiguous(), after.contiguous())
    return F.pad(rows + 1, (1, 0))


def multiply_blocks(
    matrices: Sequence[Tensor], positions: Sequence[Tensor], num_patches: int
) -> Tensor:
    """The product of what all blocks pass on, from the first to the last, where tokens are dropped.

    Args:
        matrices (Sequence[Tensor]): For each of ``L`` blocks how it mixes tokens,
            ``(B, T_l, T_l)``: a row for every token that comes out, before any is dropped.
        positions (Sequence[Tensor]): ``L + 1`` tensors ``(B, n_l)`` with raster positions of
            patches, ascending, each a subset of the one before: see :func:`positions_at_blocks`.
        num_patches (int): ``N``.

    Returns:
        Tensor: ``(B, T_L, 1 + N)``: what every token that is left has from the [class] embedding
        (first column) and from each patch of the grid. The columns of patches that never reached a
        block are 0.

    Raises:
        ValueError: The numbers of blocks or tokens do not fit together.
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
    """Attention rollout over blocks between which tokens are dropped.

    One block mixes tokens by ``0.5 * A + 0.5 * I``, half attention and half residual connection,
    as in Abnar and Zuidema (2020), Sec. 3. Rows of dropped tokens are then left out. What a block's
    MLP does to a token stays within the token.

    Args:
        weights (Sequence[Tensor]): For each of ``L`` blocks the attention ``(B, T_l, T_l)``, rows
            (queries) summing to 1.
        positions (Sequence[Tensor]): See :func:`multiply_blocks`.
        num_patches (int): ``N``.

    Returns:
        Tensor: ``(B, T_L, 1 + N)``: what share of every token that is left comes from the [class]
        embedding (first column) and from each patch of the grid. Rows sum to 1.

    Raises:
        ValueError: The numbers of blocks or tokens do not fit together.
    """
    halves = [0.5 * w + 0.5 * torch.eye(w.shape[-1]).to(w) for w in weights]
    return multiply_blocks(halves, positions, num_patches)
