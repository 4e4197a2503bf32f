# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Variants: ways to run a model with the same weights, by name."""

import copy
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import torch
from mmengine.config import Config
from mmpretrain.models import ImageClassifier
from torch import Tensor

from mmfer.deployment.aot import export_package
from mmfer.deployment.exported import AotModel, OnnxModel
from mmfer.deployment.onnx import export_onnx
from mmfer.utils.image_size import image_size
from mmfer.utils.reparameterize import merge_branches

from .plain_apvit import PlainAPViT, wide_top_k
from .timing import CLOCKS, Measurement, interleave

Run = Callable[[Tensor], Tensor]
Size = tuple[int, int]

#: Preprocessing facts for exports: inputs are already normalized.
_FACTS = dict(preprocessing=dict(mean=[0.0] * 3, std=[1.0] * 3, order='BGR', inside=False))


def _plain(model: ImageClassifier, _: Size, **options) -> Run:
    model.backbone = PlainAPViT(model.backbone, **options)
    return model


def _fused(model: ImageClassifier, _: Size) -> Run:
    if not merge_branches(model):
        raise ValueError('no part of the model can be merged or folded for inference')
    return model


def _channels_last(model: ImageClassifier, _: Size) -> Run:
    return model.to(memory_format=torch.channels_last)


def _bfloat16(model: ImageClassifier, _: Size) -> Run:
    def run(inputs: Tensor) -> Tensor:
        """Run with matrix products in bfloat16; inputs and outputs are float32."""
        with torch.autocast(inputs.device.type, torch.bfloat16):
            return model(inputs).float()

    return run


def _compiled(model: ImageClassifier, _: Size) -> Run:
    # Input sizes are fixed in a benchmark; a dynamic graph would be slower.
    return torch.compile(model, dynamic=False)


# Exported models return scores, not logits.


def _onnx(model: ImageClassifier, size: Size) -> Run:
    exported = OnnxModel(export_onnx(model, size, _FACTS), threads=torch.get_num_threads())
    return lambda inputs: exported(inputs)[exported.output_names[0]]


def _aot(model: ImageClassifier, size: Size) -> Run:
    exported = AotModel(export_package(model, size, _FACTS))
    return lambda inputs: exported(inputs)[exported.output_names[0]]


def _by_8(run: Run, _: Size) -> Run:
    """Split a batch into chunks of eight images.

    Intermediate results of larger batches do not fit into the CPU caches, and the C library does
    not keep that much memory between calls.
    """
    return lambda inputs: torch.cat([run(some) for some in inputs.split(8)])


#: Name -> functions that are applied to a copy of the model, in this order.
VARIANTS: dict[str, tuple[Callable[..., Run], ...]] = {
    'plain': (_plain,),
    'plain-topk': (partial(_plain, select=wide_top_k),),
    'eager': (),
    'fused': (_fused,),
    'channels-last': (_channels_last,),
    'fused+channels-last': (_fused, _channels_last),
    'fused+channels-last+by-8': (_fused, _channels_last, _by_8),
    'compiled': (_compiled,),
    'compiled+bf16': (_compiled, _bfloat16),
    'bf16': (_bfloat16,),
    'bf16+by-8': (_bfloat16, _by_8),
    'onnx': (_onnx,),
    'onnx+by-8': (_onnx, _by_8),
    'aot': (_aot,),
    'aot+by-8': (_aot, _by_8),
}


def check_variant(name: str) -> str:
    """Check the name of a variant and return it.

    Raises:
        ValueError: The name is not in :data:`VARIANTS`.
    """
    if name not in VARIANTS:
        raise ValueError(f'there is no variant {name!r}; variants are {", ".join(VARIANTS)}')
    return name


def make_variant(name: str, model: ImageClassifier, inputs: Tensor) -> Run:
    """Create a variant of a model.

    Args:
        name (str): One of :data:`VARIANTS`.
        model (ImageClassifier): The model in eval mode; it is copied and not changed.
        inputs (Tensor): Example inputs ``(B, 3, H, W)``, normalized; their size is used.

    Returns:
        A function from inputs to the model's output.

    Raises:
        ValueError: The name is unknown, or this model has no such variant.
        ExportError: The model cannot be exported on this machine.
    """
    run = copy.deepcopy(model)
    for step in VARIANTS[check_variant(name)]:
        run = step(run, tuple(inputs.shape[2:]))
    return run


def random_inputs(cfg: Config, batch_size: int, device: str = 'cpu') -> Tensor:
    """Return random normalized inputs ``(B, 3, H, W)`` of the input size of the config's model."""
    (height, width), _ = image_size(cfg)
    generator = torch.Generator().manual_seed(0)
    return torch.randn(batch_size, 3, height, width, generator=generator).to(device)


@torch.inference_mode()
def time_variants(
    models: Mapping[str, ImageClassifier],
    inputs: Mapping[str, Tensor],
    variants: Sequence[str],
    turns: int,
    warm_up: int = 1,
    clock: Callable[[], float] = CLOCKS['wall'],
) -> tuple[dict[str, Measurement], dict[str, str]]:
    """Time variants of one or several models against each other, all in the same turns.

    Args:
        models (Mapping[str, ImageClassifier]): Models in eval mode, by name.
        inputs (Mapping[str, Tensor]): Inputs of each model, by the same names.
        variants (Sequence[str]): Names of variants, see :data:`VARIANTS`.
        turns (int): Timed calls of each variant.
        warm_up (int): Untimed calls before, at least 1, in which ``compiled`` is compiled. Defaults
            to 1.
        clock (Callable[[], float]): One of :data:`.CLOCKS`. Defaults to ``'wall'``.

    Returns:
        tuple: Times by ``'MODEL VARIANT'``, or ``'VARIANT'`` with a single model; and the reasons
        for skipped variants, which this model does not have or which fail here, by the same names.
    """
    runs: dict[str, Callable] = {}
    skipped: dict[str, str] = {}
    for model_name, model in models.items():
        for variant in variants:
            name = variant if len(models) == 1 else f'{model_name} {variant}'
            try:
                run = partial(make_variant(variant, model, inputs[model_name]), inputs[model_name])
                for _ in range(max(warm_up, 1)):
                    run()
            except (ValueError, RuntimeError) as error:  # such as an ExportError, or no compiler
                skipped[name] = str(error)
            else:
                runs[name] = run
    return (interleave(runs, turns, 0, clock) if runs else {}), skipped
