# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from collections.abc import Callable

import torch
from mmpretrain.models import ImageClassifier
from torch import Tensor

from mmfer.deployment.errors import ExportError
from mmfer.deployment.onnx_export import export_onnx
from mmfer.deployment.onnx_model import OnnxModel

from .variants import UnavailableError


def onnx_variant(model: ImageClassifier, example: Tensor) -> Callable[[Tensor], Tensor]:
    """The model exported and run by ONNX Runtime on as many threads as PyTorch has; CPU only.

    It gives what the exported graph gives: of a classifier the scores, not the logits.

    Raises:
        UnavailableError: Pictures are on a GPU, a package is missing, or the export failed.
    """
    if example.device.type != 'cpu':
        raise UnavailableError('onnx is measured on the processor only')
    try:
        content = export_onnx(model, tuple(example.shape[2:]))
        session = OnnxModel(content, threads=torch.get_num_threads())
    except ExportError as error:
        raise UnavailableError(str(error)) from error
    return lambda pictures: torch.from_numpy(next(iter(session(pictures.numpy()).values())))
