# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Export a model to ONNX, in float32 or with 8-bit linear layers."""

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

#: In earlier versions, the exporter based on torch.export assumes a limited batch size.
ONNX_TORCH = (2, 10)
#: Opset that the exporter writes without conversion and that ONNX Runtime >= 1.14 supports.
OPSET = 18
BATCH = 'batch'
_NO_LIMIT = 2**40
#: Convolutions stay in float32: on CPUs, ONNX Runtime's integer kernels for them are slower than
#: the float kernels.
_QUANTIZED_OPERATORS = ('MatMul', 'Gemm')


def export_onnx(
    model: ImageClassifier,
    size: tuple[int, int],
    facts: Mapping[str, Any],
    with_preprocessing: bool = False,
) -> bytes:
    """Export a model for any batch size and a fixed image size.

    The number of tokens that every pooling keeps is a constant of the graph. The exporter based on
    ``torch.export`` is used. PyTorch's older exporter, based on TorchScript, is deprecated and
    writes two to eight times as many nodes for the models of this package.

    The same model gives the same bytes on any machine: the exporter's notes about source files are
    removed.

    Args:
        model (ImageClassifier): The model; it is not changed.
        size (tuple[int, int]): Height and width of the images.
        facts (Mapping[str, Any]): Metadata of the file by name, see :meth:`.LoadedModel.facts`.
            Values must be serializable as JSON.
        with_preprocessing (bool): See :class:`.Exportable`. Defaults to False.

    Returns:
        The content of an ONNX file.

    Raises:
        ExportError: A package is missing, PyTorch is too old, the type of head is unknown, the
            exporter failed, or it made the batch size a constant.
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
                f'PyTorch {torch.__version__} could not export the model: {error}'
            ) from error
        proto = _fold(program)
    _remove_notes(proto)
    _check_batch(proto, names)
    text = {name: json.dumps(value, ensure_ascii=False) for name, value in facts.items()}
    onnx.helper.set_model_props(proto, dict(sorted(text.items())))
    return proto.SerializeToString(deterministic=True)


def quantize_int8(content: bytes) -> bytes:
    """Quantize the linear layers of an exported model to 8 bits (dynamic quantization).

    Weights are stored as int8 with a scale per output channel, which takes a quarter of the space.
    Their values use only 7 bits. Activations are quantized at run time by the range of each batch,
    so no calibration data is needed. Everything else stays float32, including products of
    activations and the keys and values of an APViT's last block, which are computed per head
    (:func:`.attend_from_first`).

    Note:
        The range of activations is that of the whole batch, so the output for an image depends
        slightly on the other images.

    Args:
        content (bytes): Output of :func:`export_onnx`.

    Returns:
        The content of an ONNX file with the same inputs, outputs and facts, except ``precision``,
        which is ``'int8'``.

    Raises:
        ExportError: A package is missing.
    """
    require_packages('onnx', 'onnxruntime')
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    model = onnx.load_from_string(content)
    facts = {entry.key: entry.value for entry in model.metadata_props}
    # The quantizer transposes weights, so their recorded shapes would be wrong.
    model.graph.ClearField('value_info')
    # Quiet, because it recommends a preparation that has no effect here.
    with tempfile.TemporaryDirectory() as folder, _quiet():
        path = Path(folder, 'int8.onnx')
        quantize_dynamic(
            model,
            path,
            op_types_to_quantize=list(_QUANTIZED_OPERATORS),
            per_channel=True,
            weight_type=QuantType.QInt8,
            # 7 bits: CPUs without VNNI add two products of uint8 and int8 in 16 bits, which can
            # hold 2 * 255 * 64 but not 2 * 255 * 127.
            reduce_range=True,
        )
        quantized = onnx.load(path)
    onnx.helper.set_model_props(quantized, {**facts, 'precision': json.dumps('int8')})
    return quantized.SerializeToString(deterministic=True)


def require_onnx() -> None:
    """Check that the packages and the PyTorch version that an ONNX export needs are installed.

    Raises:
        ExportError: A package is missing, or PyTorch is too old.
    """
    require_packages()
    require_torch(ONNX_TORCH)


def environment(threads: int) -> dict[str, Any]:
    """Describe what measurements depend on: the machine, the number of threads, versions."""
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
    """Fold all constant expressions, such as slices and transposes of weights, of any size.

    The exporter does not fold large ones, and the quantizer would not recognize them as weights.
    """
    from onnxscript import optimizer

    folded = optimizer.optimize(
        program.model, input_size_limit=_NO_LIMIT, output_size_limit=_NO_LIMIT
    )
    program.model = folded
    return program.model_proto


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Suppress the exporters' messages: log records, warnings and prints."""
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter('ignore')
            yield
    finally:
        logging.disable(disabled)


def _remove_notes(proto) -> None:
    """Remove the exporter's notes on source files and modules; they have paths of this machine."""
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
    """Raise ExportError unless every input and output has a dynamic batch size."""
    found = [value.name for value in proto.graph.output]
    if found != list(names):
        raise ExportError(f'the exported outputs are {found} instead of {list(names)}')
    for value in (*proto.graph.input, *proto.graph.output):
        first = value.type.tensor_type.shape.dim[0]
        if not first.dim_param:
            raise ExportError(
                f'the exporter made the batch size {first.dim_value} of {value.name!r} a '
                'constant: a module of the model converts it to a Python number, such as by '
                'len(x); use x.shape[0] there'
            )
