# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Answers of a model, in PyTorch or exported, to the pictures that data loaders give."""

import torch
from mmpretrain.models import ImageClassifier
from torch import Tensor

from .exported_model import ExportedModel
from .outputs import compute_outputs


@torch.no_grad()
def torch_answers(model: ImageClassifier, pictures: Tensor) -> dict[str, Tensor]:
    """What a model in eval mode makes of uint8 BGR pictures ``(B, 3, H, W)``; on the CPU."""
    inputs = normalise(model, pictures)
    outputs = compute_outputs(model.head, model.extract_feat(inputs))
    return {name: value.cpu() for name, value in outputs.items()}


@torch.no_grad()
def exported_answers(
    exported: ExportedModel, model: ImageClassifier, pictures: Tensor
) -> dict[str, Tensor]:
    """What its exported form makes of them; the model only normalises, where it does not."""
    if exported.with_preprocessing:
        inputs = pictures.permute(0, 2, 3, 1)
    else:
        inputs = normalise(model, pictures)
    outputs = exported(inputs.cpu().numpy())
    return {name: torch.from_numpy(value) for name, value in outputs.items()}


def normalise(model: ImageClassifier, pictures: Tensor) -> Tensor:
    """What the network gets of uint8 BGR pictures ``(B, 3, H, W)``: float32."""
    return model.data_preprocessor(dict(inputs=pictures))['inputs']
