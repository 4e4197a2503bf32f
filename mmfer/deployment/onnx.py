# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""From a model to the content of an ONNX file, in float32 or with 8-bit linear layers."""

import contextlib
import io
import json
import logging
import platform
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from mmpretrain.models import ImageClassifier

from mmfer.utils.machine import describe_machine

from .exported import require_packages
from .model import Exportable, ExportError, require_torch

#: With the version before, the exporter that follows torch.export takes the batch size for limited.
ONNX_TORCH = (2, 10)
#: What the exporter writes without converting, and ONNX Runtime reads since 1.14.
OPSET = 18
BATCH = 'batch'
_NO_LIMIT = 2**40
#: Convolutions stay in float32: ONNX Runtime's integer kernels for them are slower than the float
#: ones on processors.
_QUANTIZED_OPERATORS = ('MatMul', 'Gemm')


def export_onnx(
    model: ImageClassifier,
    size: tuple[int, int],
    facts: Mapping[str, Any],
    with_preprocessing: bool = False,
) -> bytes:
    """Export a model, with any batch size and with all other sizes fixed.

    The number of tokens that every pooling keeps is a constant of the graph. The exporter is that
    which follows ``torch.export``. PyTorch's older one, by TorchScript, is deprecated and writes
    two to eight times as many nodes for the models of this package.

    The same model gives the same bytes, wherever it is exported: notes of the exporter about our
    source files are taken out.

    Args:
        model (ImageClassifier): Left as it is.
        size (tuple[int, int]): Height and width of its images.
        facts (Mapping[str, Any]): What is written into the file beside the graph, see
            :meth:`.LoadedModel.facts`: values are JSON, by name.
        with_preprocessing (bool): See :class:`.Exportable`. Defaults to False.

    Raises:
        ExportError: A package is missing, PyTorch is too old, the model has a head of an unknown
            kind, the exporter failed, or it took the batch size for a constant.
    """
    require_onnx()
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
    text = {name: json.dumps(value, ensure_ascii=False) for name, value in facts.items()}
    onnx.helper.set_model_props(proto, dict(sorted(text.items())))
    return proto.SerializeToString(deterministic=True)


def quantize_int8(content: bytes) -> bytes:
    """Quantize the linear layers of an exported model to 8 bits, dynamically.

    Weights are stored as int8, within 7 bits, with a scale for each output channel, a quarter of
    their size;
    activations are quantized as they come, by the range of each batch, so no data are needed. All
    else stays float32: products of activations with each other, and the keys and values of an
    APViT's last block, which are products by head (:func:`.attend_from_first`).

    Note:
        The range of activations is that of the whole batch: the answer to an image depends a little
        on the others.

    Args:
        content (bytes): What :func:`export_onnx` returned.

    Returns:
        The content of an ONNX file with the same inputs, outputs and facts, but for
        ``precision``, which is ``'int8'``.

    Raises:
        ExportError: A package is missing.
    """
    require_packages('onnx', 'onnxruntime')
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    model = onnx.load_from_string(content)
    facts = {entry.key: entry.value for entry in model.metadata_props}
    # The shapes noted for weights, which the quantizer transposes; it infers all of them anew.
    model.graph.ClearField('value_info')
    # It advises a preparation that changes nothing here.
    with tempfile.TemporaryDirectory() as folder, _quiet():
        path = Path(folder, 'int8.onnx')
        quantize_dynamic(
            model,
            path,
            op_types_to_quantize=list(_QUANTIZED_OPERATORS),
            per_channel=True,
            weight_type=QuantType.QInt8,
            # 7 bits: processors without VNNI add two products of uint8 and int8 in 16 bits,
            # which hold 2 * 255 * 64 but not 2 * 255 * 127.
            reduce_range=True,
        )
        quantized = onnx.load(path)
    onnx.helper.set_model_props(quantized, {**facts, 'precision': json.dumps('int8')})
    return quantized.SerializeToString(deterministic=True)


def require_onnx() -> None:
    """Check that the packages and the version of PyTorch are there that an ONNX export needs.

    Raises:
        ExportError: Something is missing or too old.
    """
    require_packages()
    require_torch(ONNX_TORCH)


def environment(threads: int) -> dict[str, Any]:
    """What figures depend on: the machine, the number of threads, versions."""
    import onnx
    import onnxruntime

    return dict(
        machine=describe_machine()['cpu'],
        threads=threads,
        python=platform.python_version(),
        torch=torch.__version__,
        onnx=onnx.__version__,
        onnxruntime=onnxruntime.__version__,
    )


def _fold(program: 'torch.onnx.ONNXProgram'):
    """Compute what depends on no input, however large it is: slices and transposes of weights.

    The exporter leaves large ones in the graph, where no quantizer would know them for weights.
    """
    from onnxscript import optimizer

    folded = optimizer.optimize(
        program.model, input_size_limit=_NO_LIMIT, output_size_limit=_NO_LIMIT
    )
    program.model = folded
    return program.model_proto


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Suppress what exporters say of their own optimizations, on three ways."""
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
