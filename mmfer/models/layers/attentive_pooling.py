# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Tensor functions of attentive pooling: score tokens, select some, gather them.

The functions have no parameters and do not depend on configs. Shapes: ``B`` images, ``N`` patch
tokens (without the [class] token), ``C`` channels, ``H`` attention heads, ``D`` channels of a head.
"""

import torch
from torch import Tensor

PATCH_CRITERIA = ('abs', 'sum', 'max', 'square', 'max_abs', 'random')
CLASS_CRITERIA = ('sum', 'abs', 'max', 'random')


def patch_scores(x: Tensor, criterion: str = 'abs') -> Tensor:
    """Score every patch by a hand-designed reduction over its channels (Sec. 3.2, Fig. 4a).

    Args:
        x (Tensor): Patch features ``(B, N, C)``.
        criterion (str): ``'abs'`` is the sum of absolute values, ``'sum'`` the sum of values,
            ``'max'`` the maximum over channels. Two more are in the released code but in no table:
            ``'square'``, the sum of squares, and ``'max_abs'``, the maximum of absolute values.
            ``'random'``, a baseline, draws a score for every patch of every image, in training and
            in inference; in the release, this name stands for the values of one random channel.
            Defaults to ``'abs'``, the best one in the paper.

    Returns:
        Tensor: Scores ``(B, N)``; larger is more active.
    """
    if criterion == 'abs':
        return x.abs().sum(dim=-1)
    if criterion == 'sum':
        return x.sum(dim=-1)
    if criterion == 'max':
        return x.amax(dim=-1)
    if criterion == 'square':
        return x.square().sum(dim=-1)
    if criterion == 'max_abs':
        return x.abs().amax(dim=-1)
    if criterion == 'random':
        return torch.rand(x.shape[:2], device=x.device)
    raise ValueError(f'criterion {criterion!r} is not one of {PATCH_CRITERIA}')


def class_attention_scores(query: Tensor, key: Tensor, criterion: str = 'sum') -> Tensor:
    """Score every patch token by the product of its key and the [class] query (Sec. 3.3).

    These are the products before the softmax. A common positive scale does not change the selected
    tokens, so ``query`` may be scaled or not.

    Args:
        query (Tensor): Query of the [class] token ``(B, H, D)``.
        key (Tensor): Keys of the patch tokens ``(B, N, H, D)``.
        criterion (str): How the heads are combined: ``'sum'`` (default), ``'abs'`` (sum of absolute
            values) or ``'max'``. ``'random'`` draws scores instead, see :func:`patch_scores`.

    Returns:
        Tensor: Scores ``(B, N)``.
    """
    if criterion == 'sum':
        # The sum over heads of per-head dot products is one dot product over all channels.
        return torch.matmul(key.flatten(2), query.flatten(1).unsqueeze(-1)).squeeze(-1)
    per_head = torch.einsum('bhd,bnhd->bnh', query, key)
    if criterion == 'abs':
        return per_head.abs().sum(dim=-1)
    if criterion == 'max':
        return per_head.amax(dim=-1)
    if criterion == 'random':
        return torch.rand(key.shape[:2], device=key.device)
    raise ValueError(f'criterion {criterion!r} is not one of {CLASS_CRITERIA}')


def keep_count(num_tokens: int, keep_rate: float) -> int:
    """Return how many of ``num_tokens`` patch tokens a block with ``keep_rate`` keeps (Eq. 3).

    Rounded down, but at least 1, as in the released model.
    """
    return max(int(num_tokens * keep_rate), 1)


def top_indices(scores: Tensor, keep_num: int) -> Tensor:
    """Return the indices of the ``keep_num`` best scores, ascending, so tokens keep their order.

    Args:
        scores (Tensor): ``(B, N)``.
        keep_num (int): 1 to ``N``.

    Returns:
        Tensor: Indices ``(B, keep_num)``, int64, without gradient.
    """
    # Only (B, N) scores are sorted, not whole tokens.
    return scores.detach().topk(keep_num, dim=-1, sorted=False).indices.sort(dim=-1).values


def take_tokens(x: Tensor, indices: Tensor) -> Tensor:
    """Gather tokens by index, per image.

    Args:
        x (Tensor): ``(B, N, C)``.
        indices (Tensor): ``(B, K)`` with values in ``[0, N)``.

    Returns:
        Tensor: ``(B, K, C)`` with ``out[b, i] = x[b, indices[b, i]]``.
    """
    batch, num_tokens, channels = x.shape
    # index_select copies whole rows; torch.gather would need an index for each channel.
    offsets = torch.arange(batch, device=x.device).unsqueeze(-1) * num_tokens
    rows = (indices + offsets).flatten()
    return x.reshape(-1, channels).index_select(0, rows).view(batch, -1, channels)


def soft_map(scores: Tensor) -> Tensor:
    """Scale scores ``(B, N)`` to [0, 1] per image: the weights of *soft* pooling (Table 6).

    ``(score - min) / (max - min)`` over the patches of an image, so the weakest patch becomes 0 and
    the strongest is unchanged. The paper says that the features are multiplied by the map, but not
    how the map is scaled, and this part of the code is not released. The scaling is our reading.
    """
    low = scores.amin(dim=-1, keepdim=True)
    high = scores.amax(dim=-1, keepdim=True)
    return (scores - low) / (high - low).clamp_min(torch.finfo(scores.dtype).eps)
