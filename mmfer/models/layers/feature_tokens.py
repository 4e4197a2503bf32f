# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Pool the output of any backbone to one token per image. ``C`` channels, ``D`` token width."""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor


def last_feature(feats: Tensor | Sequence[Tensor]) -> Tensor:
    """Return the last feature of a backbone's output."""
    return feats if isinstance(feats, Tensor) else feats[-1]


def last_map(feats: Tensor | Sequence[Tensor]) -> Tensor:
    """Return the last feature of a backbone's output, a map ``(B, C, H, W)``.

    Raises:
        ValueError: The last feature is not a map.
    """
    x = last_feature(feats)
    if x.ndim == 4:
        return x
    raise ValueError(
        f"model.neck.fusion='map' needs a backbone that returns a map (B, C, H, W), got "
        f'{tuple(x.shape)}. ConvNeXt returns one with gap_before_final_norm=False, a '
        "VisionTransformer with out_type='featmap'; otherwise set model.neck.fusion to 'pooled'"
    )


def pool_feature(feats: Tensor | Sequence[Tensor]) -> Tensor:
    """Average the last feature of a backbone's output over all positions.

    Args:
        feats (Tensor | Sequence[Tensor]): A feature, or a sequence whose last item is used: a map
            ``(B, C, H, W)``, tokens ``(B, L, C)``, or ``(B, C)``, which is pooled already.

    Returns:
        Tensor: ``(B, C)``. For a map, bit-identical to mmpretrain's ``GlobalAveragePooling``.

    Raises:
        ValueError: The feature has another number of dimensions.
    """
    x = last_feature(feats)
    if x.ndim == 4:
        return F.adaptive_avg_pool2d(x, 1).flatten(1)
    if x.ndim == 3:
        return x.mean(1)
    if x.ndim == 2:
        return x
    raise ValueError(
        f'a feature of shape {tuple(x.shape)} cannot be pooled to one token; a backbone must '
        'return (B, C, H, W), (B, L, C) or (B, C)'
    )


def pad_token(token: Tensor, width: int, name: str) -> Tensor:
    """Pad ``(B, C)`` to ``(B, width)`` with zeros on the right, without parameters (Sec. 3.2).

    Args:
        token (Tensor): ``(B, C)``.
        width (int): ``D``, at least ``C``.
        name (str): Name of the token in the error message.

    Raises:
        ValueError: The token is wider than ``width``.
    """
    channels = token.shape[-1]
    if channels > width:
        raise ValueError(
            f'{name} has {channels} channels, more than the {width} of the tokens '
            f'(model.neck.embed_dims). Set model.neck.embed_dims to {channels} or more, or use a '
            'narrower encoder'
        )
    return F.pad(token, (0, width - channels))
