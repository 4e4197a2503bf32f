# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""One token per image, from whatever a backbone gives. ``C`` channels, ``D`` token width."""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor


def last_feature(feats: Tensor | Sequence[Tensor]) -> Tensor:
    """What counts of a backbone's output: the last of several features."""
    return feats if isinstance(feats, Tensor) else feats[-1]


def last_map(feats: Tensor | Sequence[Tensor]) -> Tensor:
    """A backbone's last feature where it is a map ``(B, C, H, W)``.

    Raises:
        ValueError: It has another shape.
    """
    x = last_feature(feats)
    if x.ndim == 4:
        return x
    raise ValueError(
        f"model.neck.fusion='map' needs a backbone that gives a map (B, C, H, W), got "
        f'{tuple(x.shape)}. ConvNeXt gives one with gap_before_final_norm=False, a '
        "VisionTransformer with out_type='featmap'; else set model.neck.fusion to 'pooled'"
    )


def pool_feature(feats: Tensor | Sequence[Tensor]) -> Tensor:
    """The average over all places of a backbone's last feature.

    Args:
        feats (Tensor | Sequence[Tensor]): A feature, or several of which the last one counts: a map
            ``(B, C, H, W)``, tokens ``(B, L, C)``, or ``(B, C)`` that is pooled already.

    Returns:
        ``(B, C)``. Of a map, bit for bit what mmpretrain's ``GlobalAveragePooling`` gives.

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
        f'a feature of shape {tuple(x.shape)} cannot be pooled to one token; a backbone gives '
        '(B, C, H, W), (B, L, C) or (B, C)'
    )


def pad_token(token: Tensor, width: int, name: str) -> Tensor:
    """Widen ``(B, C)`` to ``(B, width)`` with zeros on the right, without parameters (Sec. 3.2).

    Args:
        token (Tensor): ``(B, C)``.
        width (int): ``D``, at least ``C``.
        name (str): What the token is, for the error.

    Raises:
        ValueError: The token is wider than ``width``.
    """
    channels = token.shape[-1]
    if channels > width:
        raise ValueError(
            f'{name} has {channels} channels, more than the {width} of the tokens '
            f'(model.neck.embed_dims). Set model.neck.embed_dims to {channels} or more, or take an '
            'encoder that is not so wide'
        )
    return F.pad(token, (0, width - channels))
