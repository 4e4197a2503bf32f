# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""The ways in which a model can be run, by name.

A name is one step or several joined by ``+``, done from left to right: ``fused+channels-last``.
Each step takes a model of its own and gives one; weights are the same in all variants.
"""

import copy
from collections.abc import Callable

import torch
from mmpretrain.models import ImageClassifier
from torch import Tensor, nn

from mmfer.utils.reparameterize import merge_branches

from .plain_apvit import PlainAPViT, wide_top_k


class UnavailableError(RuntimeError):
    """A variant does not exist for this model or on this machine. The message says why."""


class Bfloat16(nn.Module):
    """A model under autocast: matrix products in bfloat16, float32 in and out."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, torch.bfloat16):
            return self.model(x).float()


def _plain(model: ImageClassifier, **options) -> nn.Module:
    try:
        model.backbone = PlainAPViT(model.backbone, **options)
    except ValueError as error:
        raise UnavailableError(str(error)) from error
    return model


def _plain_top_k(model: ImageClassifier) -> nn.Module:
    return _plain(model, select=wide_top_k)


def _fused(model: nn.Module) -> nn.Module:
    if not merge_branches(model):
        raise UnavailableError('no part of the model has another form for inference')
    return model


def _compiled(model: nn.Module) -> nn.Module:
    on_cpu = next(model.parameters()).device.type == 'cpu'
    # Sizes are fixed in a benchmark; a graph for any size would be slower. Weights are fixed too:
    # frozen, they are laid out in advance the way the processor's kernels want them.
    return torch.compile(model, dynamic=False, options=dict(freezing=True) if on_cpu else None)


STEPS: dict[str, Callable[[nn.Module], nn.Module]] = {
    'plain': _plain,
    'plain-topk': _plain_top_k,
    'eager': lambda model: model,
    'fused': _fused,
    'channels-last': lambda model: model.to(memory_format=torch.channels_last),
    'bf16': Bfloat16,
    'compiled': _compiled,
}

#: A variant by itself, as it leaves PyTorch.
ONNX = 'onnx'


def check_variant(name: str) -> str:
    """Refuse an unknown variant; returns the name.

    Raises:
        ValueError: A step is unknown, or another one is joined to ``onnx``.
    """
    unknown = [step for step in name.split('+') if step not in STEPS]
    if name != ONNX and unknown:
        raise ValueError(
            f'variant {name!r}: {unknown[0]!r} cannot be a step of it; steps, joined by +, are '
            f'{", ".join(STEPS)}; {ONNX} stands by itself'
        )
    return name


def make_variant(name: str, model: nn.Module, example: Tensor) -> Callable[[Tensor], Tensor]:
    """Make a variant of a model.

    Args:
        name: See the module.
        model: In eval mode; it is copied and stays as it is.
        example: Pictures as the model will get them, ``(B, 3, H, W)``, normalised.

    Returns:
        What maps pictures to the model's output.

    Raises:
        ValueError: The name is unknown.
        UnavailableError: This model or machine has no such variant.
    """
    check_variant(name)
    if name == ONNX:
        from .onnx_variant import onnx_variant

        return onnx_variant(model, example)
    model = copy.deepcopy(model)
    for step in name.split('+'):
        model = STEPS[step](model)
    return model
