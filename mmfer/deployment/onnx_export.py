# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""From a model to the content of an ONNX file."""

import contextlib
import io
import json
import logging
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from mmpretrain.models import ImageClassifier

from .errors import ExportError, require_packages
from .exportable import Exportable

#: What the exporter writes without converting, and ONNX Runtime reads since 1.14.
OPSET = 18
BATCH = 'batch'
_NO_LIMIT = 2**40


def export_onnx(
    model: ImageClassifier,
    size: tuple[int, int],
    facts: Mapping[str, Any] | None = None,
    with_preprocessing: bool = False,
) -> bytes:
    """Export a model, with any batch size and with all other sizes fixed.

    The number of tokens that every pooling keeps is a constant of the graph. The exporter is that
    which follows ``torch.export``. PyTorch's older one, by TorchScript, is deprecated and writes
    two to eight times as many nodes for the models of this package.

    The same model gives the same bytes, wherever it is exported: notes of the exporter about our
    source files are taken out.

    Args:
        model: Left as it is.
        size: Height and width of its pictures.
        facts: What is written into the file beside the graph: values are JSON, by name.
        with_preprocessing: See :class:`Exportable`.

    Raises:
        ExportError: A package is missing, the model has a head of an unknown kind, the exporter
            failed, or it took the batch size for a constant.
    """
    require_packages()
    import onnx

    exportable = Exportable(model, size, with_preprocessing)
    names = exportable.output_names()
    with torch.no_grad(), _quiet():
        try:
            program = torch.onnx.export(
                exportable,
                (exportable.example(),),
                input_names=[exportable.input_name],
                output_names=list(names),
                dynamic_shapes=({0: torch.export.Dim(BATCH)},),
                opset_version=OPSET,
                dynamo=True,
                optimize=True,
                verbose=False,
            )
        except torch.onnx.OnnxExporterError as error:
            raise ExportError(
                f'PyTorch {torch.__version__} could not export it: {error}'
            ) from error
        proto = _fold(program)
    _remove_notes(proto)
    _check_batch(proto, names)
    text = {name: json.dumps(value, ensure_ascii=False) for name, value in (facts or {}).items()}
    onnx.helper.set_model_props(proto, dict(sorted(text.items())))
    return proto.SerializeToString(deterministic=True)


def _fold(program: 'torch.onnx.ONNXProgram'):
    """Compute what depends on no input, however large it is: slices and transposes of weights.

    The exporter leaves large ones in the graph, where no quantiser would know them for weights.
    """
    from onnxscript import optimizer

    folded = optimizer.optimize(
        program.model, input_size_limit=_NO_LIMIT, output_size_limit=_NO_LIMIT
    )
    program.model = folded
    return program.model_proto


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Leave out what the exporter says of its own optimisations, on three ways."""
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter('ignore')
            yield
    finally:
        logging.disable(disabled)


def _remove_notes(proto) -> None:
    """Clear what the exporter notes of source files and modules: paths of this machine."""
    graph = proto.graph
    for part in (graph, *graph.node, *graph.initializer, *graph.value_info, *proto.functions):
        part.ClearField('metadata_props')
        part.ClearField('doc_string')
    for function in proto.functions:
        for node in function.node:
            node.ClearField('metadata_props')
            node.ClearField('doc_string')
    for value in (*graph.input, *graph.output):
        value.ClearField('metadata_props')


def _check_batch(proto, names: tuple[str, ...]) -> None:
    """Raise ExportError unless every input and output has a free batch size."""
    found = [value.name for value in proto.graph.output]
    if found != list(names):
        raise ExportError(f'the exported outputs are {found} instead of {list(names)}')
    for value in (*proto.graph.input, *proto.graph.output):
        first = value.type.tensor_type.shape.dim[0]
        if not first.dim_param:
            raise ExportError(
                f'the exporter took the batch size {first.dim_value} of {value.name!r} for a '
                'constant: a part of the model makes a Python number of it, such as by len(x); '
                'write x.shape[0] there'
            )
