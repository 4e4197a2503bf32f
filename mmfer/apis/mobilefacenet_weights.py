# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Weights of MobileFaceNet from public PyTorch ports, under mmfer's names."""

import re
from collections.abc import Mapping

from torch import Tensor

from .weight_names import convert_by, stage_of

# Names in TreB1eN/InsightFace_Pytorch and in InsightFace's arcface_torch: the parts of the network
# (two stem convolutions; per stage the first block and the list of other blocks; the last 1x1
# convolution), the three convolutions of a block, and the layers of a convolution module.
_PORT = (
    ['conv1', 'conv2_dw', *(f'conv_{i}' for i in (23, 3, 34, 4, 45, 5)), 'conv_6_sep'],
    ('conv', 'conv_dw', 'project'),
    ('conv', 'bn', 'prelu'),
)
_ARCFACE_TORCH = ([*(f'layers{i}' for i in range(8)), 'conv_sep'], tuple('012'), tuple('012'))
_OURS = ('expand', 'depthwise', 'project'), ('conv', 'bn', 'activate')
_EMBEDDING = ('conv_6_dw.', 'linear.', 'bn.', 'features.')


def convert_mobilefacenet(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert a MobileFaceNet of TreB1eN/InsightFace_Pytorch or of InsightFace's arcface_torch.

    The global depthwise convolution and the linear layer of the embedding are omitted.

    Args:
        state_dict (Mapping): 333 keys in either layout, with ``num_batches_tracked``.

    Raises:
        ValueError: Two keys name the same weight.
    """
    return convert_by(_our_name, state_dict, _EMBEDDING)


def _our_name(key: str) -> str:
    """``conv_4.model.2.conv_dw.bn.bias`` and ``layers.5.layers.2.layers.1.layers.1.bias`` are
    ``stages.1.3.depthwise.bn.bias``.
    """
    words = re.sub(r'^layers\.(\d)\.', r'layers\1.', key).split('.')
    parts, blocks, convs = _PORT if words[0] in _PORT[0] else _ARCFACE_TORCH
    try:
        part, *inner, conv, name = (word for word in words if word not in ('layers', 'model'))
        number = parts.index(part)
        if number in (0, 1, 8):
            place = ['stages.3.0' if number == 8 else f'stem.{number}', *inner]
        else:
            *unit, block = inner
            # The first block of a stage has no number; the others are numbered from 0.
            unit = [str(int(unit[0]) + 1), *unit[1:]] if number % 2 else ['0', *unit]
            place = [f'stages.{number // 2 - 1}', *unit, _OURS[0][blocks.index(block)]]
        return '.'.join([*place, _OURS[1][convs.index(conv)], name])
    except (ValueError, IndexError):  # not a key of these networks; reported as unexpected
        return key


def mobilefacenet_arch(weights: Mapping[str, Tensor]) -> dict | None:
    """Return the ``arch`` of a :class:`MobileFaceNet` from its weights.

    Args:
        weights (Mapping): Weights of all four stages, under mmfer's names.

    Returns:
        dict | None: None if a weight that it depends on is missing.
    """
    blocks = [0, 0, 0]
    for key in weights:
        if found := re.match(r'stages\.([012])\.(\d+)\.', key):
            stage, unit = int(found[1]), int(found[2])
            blocks[stage] = max(blocks[stage], unit + 1)

    def outputs(name: str) -> int:
        return len(weights[f'{name}.conv.weight'])

    try:
        second = weights['stem.1.conv.weight']
        return dict(
            stem_channels=outputs('stem.0'),
            stem_groups=len(second) // second.shape[1],
            stages=tuple(
                (
                    outputs(f'stages.{stage}.0.project'),
                    outputs(f'stages.{stage}.0.expand'),
                    outputs(f'stages.{stage}.1.expand'),
                    blocks[stage],
                )
                for stage in range(3)
            ),
            last_channels=outputs('stages.3.0'),
        )
    except (KeyError, IndexError, TypeError):
        return None


def first_stages(weights: Mapping[str, Tensor], num_stages: int) -> dict[str, Tensor]:
    """Return the weights of the first ``num_stages`` stages, and all that belong to no stage."""
    return {key: value for key, value in weights.items() if stage_of(key) < num_stages}
