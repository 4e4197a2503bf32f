# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""From a model to native code for one kind of machine, by PyTorch's AOTInductor."""

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

#: Where PyTorch's compiler keeps its files.
_CACHE = 'TORCHINDUCTOR_CACHE_DIR'
#: No batch is larger; an export wants some limit.
_LARGEST_BATCH = 4096


def export_package(
    model: ImageClassifier,
    size: tuple[int, int],
    facts: Mapping[str, Any],
    with_preprocessing: bool = False,
) -> bytes:
    """Compile a model for the processor, with any batch size and with all other sizes fixed.

    Weights become constants, laid out the way the kernels want them, with what follows a product
    (bias, GELU, residual) inside its kernel. On the machines we tried that beats ``torch.compile``,
    which leaves matrix products to the BLAS.

    Args:
        model (ImageClassifier): On the processor; left as it is.
        size (tuple[int, int]): Height and width of its images.
        facts (Mapping[str, Any]): What is written into the package beside the code, see
            :meth:`.LoadedModel.facts`: values are JSON, by name.
        with_preprocessing (bool): See :class:`.Exportable`. Defaults to False.

    Returns:
        The content of a ``.pt2`` file: the weights, and machine code for processors that have the
        vector instructions of this one.

    Raises:
        ExportError: PyTorch is too old, there is no C++ compiler, the model has a head of an
            unknown kind, or it cannot be compiled.
    """
    require_torch(PACKAGE_TORCH)
    exportable = Exportable(model, size, with_preprocessing).to(memory_format=torch.channels_last)
    facts = dict(facts, input_name=exportable.input_name)
    facts['output_names'] = exportable.output_names()
    text = {name: json.dumps(value, ensure_ascii=False) for name, value in sorted(facts.items())}
    batch = torch.export.Dim('batch', min=1, max=_LARGEST_BATCH)
    with (
        tempfile.TemporaryDirectory() as folder,
        # All that compiling leaves behind, weights among it, is removed at the end.
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
                f'PyTorch {torch.__version__} could not compile it: {error}'
            ) from error
        return path.read_bytes()
