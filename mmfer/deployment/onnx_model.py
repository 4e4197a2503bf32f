# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path

import numpy as np

from .errors import ExportError, require_packages
from .exported_model import ExportedModel


class OnnxModel(ExportedModel):
    """An exported model in ONNX Runtime.

    Args:
        source: The file, or its content.
        threads: Of the processor, for one call. Default 1.
        providers: Where it runs, in ONNX Runtime's names. Default: the processor.

    Attributes:
        input_shape: With the name of the batch in place of a number.
        output_shapes: By output name.

    Raises:
        FileNotFoundError: There is no such file.
        ExportError: ONNX Runtime is not installed, or cannot read the file.
    """

    def __init__(
        self,
        source: str | Path | bytes,
        threads: int = 1,
        providers: tuple[str, ...] = ('CPUExecutionProvider',),
    ):
        require_packages('onnxruntime')
        import onnxruntime
        from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidGraph, InvalidProtobuf

        if not isinstance(source, bytes):
            if not Path(source).is_file():
                raise FileNotFoundError(f'there is no exported model {source}')
            source = str(source)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3  # errors
        try:
            self._session = onnxruntime.InferenceSession(source, options, providers=list(providers))
        except (Fail, InvalidGraph, InvalidProtobuf) as error:
            name = 'the exported model' if isinstance(source, bytes) else source
            raise ExportError(f'ONNX Runtime cannot read {name}: {error}') from error
        (given,) = self._session.get_inputs()
        self.input_name = given.name
        self.input_shape = tuple(given.shape)
        self.output_shapes = {
            value.name: tuple(value.shape) for value in self._session.get_outputs()
        }
        self.output_names = tuple(self.output_shapes)
        meta = self._session.get_modelmeta().custom_metadata_map
        self.facts = {name: json.loads(text) for name, text in meta.items()}

    def _run(self, pictures: np.ndarray) -> list[np.ndarray]:
        return self._session.run(None, {self.input_name: pictures})
