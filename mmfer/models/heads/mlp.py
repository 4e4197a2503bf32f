# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""The light MLP that all heads share, and checks of their inputs."""

from collections.abc import Sequence

import torch
from mmengine.model import ModuleList
from mmpretrain.models.heads.stacked_head import LinearBlock
from mmpretrain.structures import DataSample
from torch import Tensor

from mmfer.utils.checks import check_count

from ..layers.feature_tokens import pool_feature


def linear_blocks(
    in_channels: int,
    hidden_channels: Sequence[int],
    out_channels: int,
    dropout_rate: float = 0.0,
    norm_cfg: dict | None = None,
    act_cfg: dict | None = None,
    out_init: dict | None = None,
) -> ModuleList:
    """Build linear layers from ``in_channels`` via ``hidden_channels`` to ``out_channels``.

    Args:
        in_channels (int): Width of the features.
        hidden_channels (Sequence[int]): Widths of the hidden layers; ``()`` gives a single linear
            layer.
        out_channels (int): Number of outputs.
        dropout_rate (float): Dropout after each hidden layer. Defaults to 0.
        norm_cfg (dict, optional): Normalization after each hidden layer. Defaults to None.
        act_cfg (dict, optional): Activation after each hidden layer. Defaults to None.
        out_init (dict, optional): ``init_cfg`` of the last layer. Defaults to PyTorch's own.
    """
    widths = [in_channels, *hidden_channels]
    layers = [
        LinearBlock(narrow, wide, dropout_rate, norm_cfg, act_cfg)
        for narrow, wide in zip(widths, widths[1:], strict=False)
    ]
    return ModuleList([*layers, LinearBlock(widths[-1], out_channels, init_cfg=out_init)])


def check_widths(head: object, in_channels: int, hidden_channels: Sequence[int]) -> tuple:
    """Return ``hidden_channels`` as a tuple if all widths are positive integers.

    Raises:
        ValueError: A width is not positive, or ``hidden_channels`` is not a sequence.
    """
    name = type(head).__name__
    if not isinstance(hidden_channels, Sequence) or isinstance(hidden_channels, str):
        raise ValueError(
            f'{name}: hidden_channels must be a sequence of widths such as (256,), or () for a '
            f'single linear layer, got {hidden_channels!r}'
        )
    check_count(f'{name}: in_channels', in_channels)
    for width in hidden_channels:
        check_count(f'{name}: each of hidden_channels', width)
    return tuple(hidden_channels)


def last_features(head: object, feats: tuple[Tensor, ...], in_channels: int) -> Tensor:
    """Return the last item of a neck's output, averaged over all positions: ``(B, C)``.

    Raises:
        ValueError: The number of channels is not ``in_channels``, or the shape cannot be averaged.
    """
    x = pool_feature(feats)
    if x.shape[1] == in_channels:
        return x
    raise ValueError(
        f'{type(head).__name__} needs features with {in_channels} channels '
        f'(model.head.in_channels), got {x.shape[1]}; set model.head.in_channels={x.shape[1]}'
    )


def require_labels(head: object, data_samples: Sequence[DataSample], key: str, hint: str) -> None:
    """Check that every sample has the label ``key``, and that its image is not mixed with another.

    Raises:
        ValueError: A sample lacks the label (the message names the sample and ends with ``hint``),
            or it has class scores because batch augmentation mixed images.
    """
    for sample in data_samples:
        if 'gt_score' in sample:
            raise ValueError(
                f'{type(head).__name__} learns {key} of single images, but the samples have class '
                'scores (gt_score): batch augmentation (Mixup, CutMix) mixes images and their '
                'classes, but no other labels. Set model.train_cfg=None'
            )
        if key not in sample:
            raise ValueError(
                f'{type(head).__name__} needs {key}, but the sample '
                f'{sample.get("img_path", "without img_path")} has none: {hint}'
            )


def stack_targets(
    head: object, data_samples: Sequence[DataSample], key: str, like: Tensor
) -> Tensor:
    """Stack the field ``key`` of all samples to a tensor with the shape and dtype of ``like``.

    The fields may be numbers, arrays or tensors. Dimensions of size 1 are ignored.

    Raises:
        ValueError: A sample has no target, or a target of another shape.
    """
    hint = (
        f"pack it with dict(type='PackInputs', algorithm_keys=('{key}',)) at the end of the "
        'pipeline, and use a dataset that has it'
    )
    require_labels(head, data_samples, key, hint)
    targets, shape = [], like.shape[1:]
    for sample in data_samples:
        target = torch.as_tensor(sample.get(key), dtype=like.dtype, device=like.device)
        if [n for n in target.shape if n != 1] != [n for n in shape if n != 1]:
            raise ValueError(
                f'{type(head).__name__} needs {key} of shape {tuple(shape)}, but the sample '
                f'{sample.get("img_path", "without img_path")} has shape {tuple(target.shape)}'
            )
        targets.append(target.reshape(shape))
    return torch.stack(targets)
