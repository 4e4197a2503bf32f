# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""A model as it leaves PyTorch, on as many threads as PyTorch has; CPU only.

It gives what the exported model gives: of a classifier the scores, not the logits.
"""

from collections.abc import Callable

import torch
from mmpretrain.models import ImageClassifier
from torch import Tensor

from mmfer.deployment.aot_model import AotModel
from mmfer.deployment.aot_package import export_package
from mmfer.deployment.exported_model import ExportedModel
from mmfer.deployment.onnx_export import export_onnx
from mmfer.deployment.onnx_model import OnnxModel


def onnx_variant(model: ImageClassifier, example: Tensor) -> Callable[[Tensor], Tensor]:
    """The model in ONNX Runtime.

    Raises:
        ExportError: A package is missing, or the export failed.
    """
    content = export_onnx(model, tuple(example.shape[2:]))
    return _first_output(OnnxModel(content, threads=torch.get_num_threads()))


def aot_variant(model: ImageClassifier, example: Tensor) -> Callable[[Tensor], Tensor]:
    """The model compiled ahead of time.

    Raises:
        ExportError: There is no compiler, or compiling failed.
    """
    return _first_output(AotModel(export_package(model, tuple(example.shape[2:]))))


def _first_output(exported: ExportedModel) -> Callable[[Tensor], Tensor]:
    name = exported.output_names[0]
    return lambda pictures: torch.from_numpy(exported(pictures.numpy())[name])
