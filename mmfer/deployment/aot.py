# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Compile a model to native code for one type of CPU with PyTorch's AOTInductor."""

import json
import os
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from mmpretrain.models import ImageClassifier

from .exported import PACKAGE_TORCH
from .model import Exportable, ExportError, require_torch

#: Environment variable for the cache folder of PyTorch's compiler.
_CACHE = 'TORCHINDUCTOR_CACHE_DIR'
#: Largest batch size; the export needs a limit.
_LARGEST_BATCH = 4096


def export_package(
    model: ImageClassifier,
    size: tuple[int, int],
    facts: Mapping[str, Any],
    with_preprocessing: bool = False,
) -> bytes:
    """Compile a model for the CPU, for any batch size and a fixed image size.

    Weights become constants in the memory layout of the kernels. Operations after a matrix product
    (bias, GELU, residual) are fused into its kernel. On the machines we tried, this is faster than
    ``torch.compile``, which calls the BLAS for matrix products.

    Args:
        model (ImageClassifier): The model, on the CPU; it is not changed.
        size (tuple[int, int]): Height and width of the images.
        facts (Mapping[str, Any]): Metadata of the package by name, see :meth:`.LoadedModel.facts`.
            Values must be serializable as JSON.
        with_preprocessing (bool): See :class:`.Exportable`. Defaults to False.

    Returns:
        The content of a ``.pt2`` file: the weights, and machine code for CPUs with the vector
        instructions of this one.

    Raises:
        ExportError: PyTorch is too old, there is no C++ compiler, the type of head is unknown, or
            the model cannot be compiled.
    """
    require_torch(PACKAGE_TORCH)
    exportable = Exportable(model, size, with_preprocessing).to(memory_format=torch.channels_last)
    facts = dict(facts, input_name=exportable.input_name)
    facts['output_names'] = exportable.output_names()
    text = {name: json.dumps(value, ensure_ascii=False) for name, value in sorted(facts.items())}
    batch = torch.export.Dim('batch', min=1, max=_LARGEST_BATCH)
    with (
        tempfile.TemporaryDirectory() as folder,
        # All files of the compiler, which include weights, are removed at the end.
        mock.patch.dict(os.environ, {_CACHE: folder}),
        torch.no_grad(),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter('ignore')
        path = Path(folder, 'model.pt2')
        try:
            program = torch.export.export(
                exportable, (exportable.example(),), dynamic_shapes=({0: batch},)
            )
            torch._inductor.aoti_compile_and_package(
                program,
                package_path=str(path),
                inductor_configs={'freezing': True, 'aot_inductor.metadata': text},
            )
        except RuntimeError as error:
            raise ExportError(
                f'PyTorch {torch.__version__} could not compile the model: {error}'
            ) from error
        return path.read_bytes()
