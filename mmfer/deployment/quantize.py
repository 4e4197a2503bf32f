# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import json
import logging
import tempfile
from pathlib import Path

from .errors import require_packages

#: Convolutions stay in float32: ONNX Runtime's integer kernels for them are slower than the float
#: ones on processors.
_OPERATORS = ('MatMul', 'Gemm')


def quantize_int8(content: bytes) -> bytes:
    """Quantise the linear layers of an exported model to 8 bits, dynamically.

    Weights are stored as int8, within 7 bits, with a scale for each output channel, a quarter of
    their size;
    activations are quantised as they come, by the range of each batch, so no data are needed. All
    else stays float32: products of activations with each other, and the keys and values of an
    APViT's last block, which are products by head (:func:`.attend_from_first`).

    Note:
        The range of activations is that of the whole batch: a picture's answer depends a little on
        the others.

    Args:
        content: What :func:`.export_onnx` gave.

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
    # The shapes noted for weights, which the quantiser transposes; it infers all of them anew.
    model.graph.ClearField('value_info')
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)  # it advises a preparation that changes nothing here
    try:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, 'int8.onnx')
            quantize_dynamic(
                model,
                path,
                op_types_to_quantize=list(_OPERATORS),
                per_channel=True,
                weight_type=QuantType.QInt8,
                # 7 bits: processors without VNNI add two products of uint8 and int8 in 16 bits,
                # which hold 2 * 255 * 64 but not 2 * 255 * 127.
                reduce_range=True,
            )
            quantized = onnx.load(path)
    finally:
        logging.disable(disabled)
    onnx.helper.set_model_props(quantized, {**facts, 'precision': json.dumps('int8')})
    return quantized.SerializeToString(deterministic=True)
