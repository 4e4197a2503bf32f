# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""A model as it leaves PyTorch, on as many threads as PyTorch has; CPU only.

It gives what the exported model gives: of a classifier the scores, not the logits.
"""

from collections.abc import Callable

import torch
from mmpretrain.models import ImageClassifier
from torch import Tensor

from mmfer.deployment.aot import export_package
from mmfer.deployment.exported import AotModel, ExportedModel, OnnxModel
from mmfer.deployment.onnx import export_onnx

#: Inputs are normalized already.
_FACTS = dict(preprocessing=dict(mean=[0.0] * 3, std=[1.0] * 3, order='BGR', inside=False))


def onnx_variant(model: ImageClassifier, example: Tensor) -> Callable[[Tensor], Tensor]:
    """The model in ONNX Runtime.

    Raises:
        ExportError: A package is missing, or the export failed.
    """
    content = export_onnx(model, tuple(example.shape[2:]), _FACTS)
    return _first_output(OnnxModel(content, threads=torch.get_num_threads()))


def aot_variant(model: ImageClassifier, example: Tensor) -> Callable[[Tensor], Tensor]:
    """The model compiled ahead of time.

    Raises:
        ExportError: There is no compiler, or compiling failed.
    """
    return _first_output(AotModel(export_package(model, tuple(example.shape[2:]), _FACTS)))


def _first_output(exported: ExportedModel) -> Callable[[Tensor], Tensor]:
    name = exported.output_names[0]
    return lambda images: exported(images)[name]
