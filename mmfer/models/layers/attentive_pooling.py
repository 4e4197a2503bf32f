# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""The tensor functions behind attentive pooling: score tokens, choose some, take them.

Nothing here has parameters or knows about configs. Shapes: ``B`` images, ``N`` patch tokens (the
[class] token not among them), ``C`` channels, ``H`` attention heads, ``D`` channels of a head.
"""

import torch
from torch import Tensor

PATCH_CRITERIA = ('abs', 'sum', 'max', 'square', 'max_abs', 'random')
CLASS_CRITERIA = ('sum', 'abs', 'max', 'random')


def patch_scores(x: Tensor, criterion: str = 'abs') -> Tensor:
    """Score every patch by a hand-designed reduction over its channels (Sec. 3.2, Fig. 4a).

    Args:
        x (Tensor): Patch features ``(B, N, C)``.
        criterion (str): ``'abs'`` sums absolute values, ``'sum'`` sums values, ``'max'`` takes the
            largest channel. The released code has more, which no table has: ``'square'`` sums
            squares, ``'max_abs'`` takes the largest absolute value. ``'random'`` draws a score for
            every patch of every image, in training and in inference, as a baseline; what the
            release calls so takes the values of one random channel. Defaults to ``'abs'``, the
            paper's best.

    Returns:
        Tensor: Scores ``(B, N)``; the larger, the more active the patch.
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
    """Score every patch token by what the [class] token's query makes of its key (Sec. 3.3).

    The products are taken before the softmax. A positive scale common to all of them does not
    change which tokens win, so ``query`` may come scaled or not.

    Args:
        query (Tensor): Query of the [class] token ``(B, H, D)``.
        key (Tensor): Keys of the patch tokens ``(B, N, H, D)``.
        criterion (str): How the heads are joined: ``'sum'`` (default), sum of absolute values
            (``'abs'``) or ``'max'``. ``'random'`` draws scores instead, see :func:`patch_scores`.

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
    """How many of ``num_tokens`` patch tokens a block with ``keep_rate`` keeps (Eq. 3).

    Rounded down, but never to nothing: the released model keeps at least one patch.
    """
    return max(int(num_tokens * keep_rate), 1)


def top_indices(scores: Tensor, keep_num: int) -> Tensor:
    """Indices of the ``keep_num`` best scores, in ascending order so that tokens keep their order.

    Args:
        scores (Tensor): ``(B, N)``.
        keep_num (int): 1 to ``N``.

    Returns:
        Tensor: Indices ``(B, keep_num)``, int64. They carry no gradient.
    """
    # The choice is made on (B, N) numbers only; nothing as wide as the tokens is sorted.
    return scores.detach().topk(keep_num, dim=-1, sorted=False).indices.sort(dim=-1).values


def take_tokens(x: Tensor, indices: Tensor) -> Tensor:
    """Take tokens by index, per image.

    Args:
        x (Tensor): ``(B, N, C)``.
        indices (Tensor): ``(B, K)`` with values in ``[0, N)``.

    Returns:
        Tensor: ``(B, K, C)`` with ``out[b, i] = x[b, indices[b, i]]``.
    """
    batch, num_tokens, channels = x.shape
    # One index_select over rows copies whole tokens; a gather would need an index per number.
    offsets = torch.arange(batch, device=x.device).unsqueeze(-1) * num_tokens
    rows = (indices + offsets).flatten()
    return x.reshape(-1, channels).index_select(0, rows).view(batch, -1, channels)


def soft_map(scores: Tensor) -> Tensor:
    """Scores ``(B, N)`` scaled per image to [0, 1]: the weights of *soft* pooling (Table 6).

    ``(score - min) / (max - min)`` over the patches of the image: the weakest patch becomes 0, the
    strongest stays as it is. The paper writes that the map multiplies the features, not how it is
    scaled, and the code was not released; this is this package's reading.
    """
    low = scores.amin(dim=-1, keepdim=True)
    high = scores.amax(dim=-1, keepdim=True)
    return (scores - low) / (high - low).clamp_min(torch.finfo(scores.dtype).eps)
