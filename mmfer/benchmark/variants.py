# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""The ways in which a model can be run, by name.

A name is one step or several joined by ``+``, done from left to right: ``fused+channels-last``.
Each step takes a model of its own and gives one; weights are the same in all variants. Exported
forms, ``onnx`` and ``aot``, are made of the model as it is and take no other step. All take
``+by-8`` at the end.
"""

import copy
from collections.abc import Callable

import torch
from mmpretrain.models import ImageClassifier
from torch import Tensor, nn

from mmfer.deployment.model import ExportError
from mmfer.utils.reparameterize import merge_branches

from .exported_variants import aot_variant, onnx_variant
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
    # Sizes are fixed in a benchmark; a graph for any size would be slower.
    return torch.compile(model, dynamic=False)


STEPS: dict[str, Callable[[nn.Module], nn.Module]] = {
    'plain': _plain,
    'plain-topk': _plain_top_k,
    'eager': lambda model: model,
    'fused': _fused,
    'channels-last': lambda model: model.to(memory_format=torch.channels_last),
    'bf16': Bfloat16,
    'compiled': _compiled,
}

#: Exported forms; each stands by itself.
EXPORTED = {'onnx': onnx_variant, 'aot': aot_variant}

#: At the end of a name: a batch goes in eight pictures at a time. What a larger batch needs on its
#: way is too much for a processor's caches, and for the C library to keep between calls.
BY_8 = '+by-8'


def check_variant(name: str) -> str:
    """Refuse an unknown variant; returns the name.

    Raises:
        ValueError: A step is unknown, or one is joined to an exported form.
    """
    whole = name.removesuffix(BY_8)
    unknown = [step for step in whole.split('+') if step not in STEPS]
    if whole not in EXPORTED and unknown:
        raise ValueError(
            f'variant {name!r}: {unknown[0]!r} cannot be a step of it; steps, joined by +, are '
            f'{", ".join(STEPS)}; {" and ".join(EXPORTED)} stand by themselves; {BY_8} may follow'
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
    if name.endswith(BY_8):
        run = make_variant(name.removesuffix(BY_8), model, example[:8])
        return lambda pictures: torch.cat([run(some) for some in pictures.split(8)])
    if name in EXPORTED:
        return _exported(name, model, example)
    model = copy.deepcopy(model)
    for step in name.split('+'):
        model = STEPS[step](model)
    return model


def _exported(name: str, model: nn.Module, example: Tensor) -> Callable[[Tensor], Tensor]:
    if example.device.type != 'cpu':
        raise UnavailableError(f'{name} is measured on the processor only')
    try:
        return EXPORTED[name](model, example)
    except ExportError as error:
        raise UnavailableError(str(error)) from error
