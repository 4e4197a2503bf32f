# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Exported models with the ``test_step`` of models in PyTorch."""

import importlib.util
import io
import json
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine.model import BaseModel
from mmpretrain.structures import DataSample
from torch import Tensor

from mmfer.models.utils.face_data_preprocessor import FaceDataPreprocessor

from .model import ExportError, require_torch, store_outputs

#: Earlier versions cannot write a compiled package as a single file.
PACKAGE_TORCH = (2, 6)
#: Names of the input if preprocessing is inside; the second one is that of version 0.1.
_IMAGES = ('images', 'pictures')
ONNX_PACKAGES = ('onnx', 'onnxruntime', 'onnxscript')


class ExportedModel(BaseModel):
    """Base class of exported models.

    ``test_step`` accepts a batch of a data loader and returns data samples with the fields that the
    head's ``predict`` sets.

    Args:
        input_name (str): ``'input'`` or, if the file includes preprocessing, ``'images'``.
        output_names (Sequence[str]): See :func:`.compute_outputs`.
        facts (Mapping[str, Any]): Metadata of the file, see :meth:`.LoadedModel.facts`;
            ``preprocessing`` is required.
        name (str): Name of the file for messages.
    """

    def __init__(
        self, input_name: str, output_names: Sequence[str], facts: Mapping[str, Any], name: str
    ):
        settings = {}
        if input_name not in _IMAGES:
            values = facts['preprocessing']
            settings.update(mean=values['mean'], std=values['std'])
            settings.update(to_rgb=values['order'] == 'RGB')
            # Files of older versions do not have this key.
            settings.update(standardize=values.get('standardize', False))
        super().__init__(FaceDataPreprocessor(**settings))
        self.name = name
        self.input_name = input_name
        self.output_names = tuple(output_names)
        self.facts = dict(facts)

    @property
    def with_preprocessing(self) -> bool:
        """Whether the exported model reads uint8 images and normalizes them itself."""
        return self.input_name in _IMAGES

    @torch.no_grad()
    def forward(
        self,
        inputs: Tensor,
        data_samples: Sequence[DataSample] | None = None,
        mode: str = 'tensor',
    ) -> dict[str, Tensor] | Sequence[DataSample]:
        """Run a batch.

        Args:
            inputs (Tensor): Output of ``data_preprocessor``, float32 ``(B, 3, H, W)``: normalized,
                or BGR from 0 to 255 if the file includes preprocessing.
            data_samples (Sequence[DataSample], optional): Samples that mode ``'predict'`` fills and
                returns. Defaults to None: new ones.
            mode (str): ``'tensor'`` (default) or ``'predict'``.

        Returns:
            Mode ``'tensor'``: output name -> ``(B, ...)``. Mode ``'predict'``: data samples.

        Raises:
            ValueError: The mode is unknown, or the images do not have the exported size.
        """
        size = tuple(self.facts.get('input_size', inputs.shape[2:]))
        if tuple(inputs.shape[2:]) != size:
            # Compiled code does not check the size; it would read past the end of smaller images.
            raise ValueError(
                f'{self.name} was exported for images of {size[0]}x{size[1]} pixels (height, '
                f'width), got {inputs.shape[2]}x{inputs.shape[3]}; export it with --size'
            )
        if mode not in ('tensor', 'predict'):
            raise ValueError(
                f"mode of an exported model must be 'tensor' or 'predict', got {mode!r}"
            )
        if self.with_preprocessing:
            inputs = inputs.to(torch.uint8).permute(0, 2, 3, 1)
        values = self._run(inputs.cpu().contiguous())
        outputs = dict(zip(self.output_names, values, strict=True))
        if mode == 'tensor':
            return outputs
        if data_samples is None:
            data_samples = [DataSample() for _ in inputs]
        store_outputs(outputs, data_samples)
        return data_samples

    @abstractmethod
    def _run(self, inputs: Tensor) -> list[Tensor]:
        """Return the outputs, in the order of their names, for the input of the exported graph."""


class OnnxModel(ExportedModel):
    """An exported model in ONNX Runtime, on the CPU.

    Args:
        source (str | Path | bytes): The file, or its content.
        threads (int): Number of CPU threads. Defaults to 1.

    Attributes:
        input_shape: Shape of the input, with the name of the batch dimension instead of a number.
        output_shapes: Output name -> shape.

    Raises:
        FileNotFoundError: The file does not exist.
        ExportError: ONNX Runtime is not installed, or cannot read the file, or mmfer did not export
            it.
    """

    def __init__(self, source: str | Path | bytes, threads: int = 1):
        require_packages('onnxruntime')
        import onnxruntime
        from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidGraph, InvalidProtobuf

        name = _name(source)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3  # errors
        try:
            session = onnxruntime.InferenceSession(
                source if isinstance(source, bytes) else name,
                options,
                providers=['CPUExecutionProvider'],
            )
        except (Fail, InvalidGraph, InvalidProtobuf) as error:
            raise ExportError(f'ONNX Runtime cannot read {name}: {error}') from error
        facts = _read_facts(session.get_modelmeta().custom_metadata_map, name)
        (given,) = session.get_inputs()
        shapes = {value.name: tuple(value.shape) for value in session.get_outputs()}
        super().__init__(given.name, shapes, facts, name)
        self.input_shape = tuple(given.shape)
        self.output_shapes = shapes
        self._session = session

    def _run(self, inputs: Tensor) -> list[Tensor]:
        return [
            torch.from_numpy(value)
            for value in self._session.run(None, {self.input_name: inputs.numpy()})
        ]


class AotModel(ExportedModel):
    """A compiled package, see :func:`.export_package`. It uses PyTorch's number of threads.

    Warning:
        Loading a package runs its machine code. Load only packages that you compiled yourself or
        whose author you trust like the author of a program.

    Args:
        source (str | Path | bytes): The file, or its content.

    Raises:
        FileNotFoundError: The file does not exist.
        ExportError: The file is not a package, was compiled for another type of machine or not by
            mmfer, or PyTorch is too old.
    """

    def __init__(self, source: str | Path | bytes):
        name = _name(source)
        require_torch(PACKAGE_TORCH)
        try:
            package = torch._inductor.aoti_load_package(
                io.BytesIO(source) if isinstance(source, bytes) else name
            )
            text = package.get_metadata()
        except RuntimeError as error:
            raise ExportError(f'PyTorch {torch.__version__} cannot load {name}: {error}') from error
        # PyTorch's own metadata is not JSON.
        text = {key: value for key, value in text.items() if not key.startswith('AOTI_')}
        facts = _read_facts(text, name)
        input_name, output_names = facts.pop('input_name'), facts.pop('output_names')
        super().__init__(input_name, output_names, facts, name)
        self._package = package

    def _run(self, inputs: Tensor) -> list[Tensor]:
        return self._package(inputs)


def require_packages(*names: str) -> None:
    """Check that packages are installed.

    Args:
        *names (str): Import names. Defaults to all packages that an ONNX export needs.

    Raises:
        ExportError: A package is missing. The message has the command that installs it.
    """
    missing = [name for name in names or ONNX_PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise ExportError(
            f'{" and ".join(missing)} cannot be imported; install the packages for ONNX with\n'
            f'    pip install {" ".join(ONNX_PACKAGES)}'
        )


def _read_facts(metadata: Mapping[str, str], name: str) -> dict[str, Any]:
    """Parse the metadata of a file, after a check that mmfer wrote it."""
    if 'preprocessing' not in metadata:
        raise ExportError(
            f'{name} was not exported by mmfer: it lacks the metadata "preprocessing"; '
            'export models with tools/deployment/export_onnx.py or export_aoti.py'
        )
    return {key: json.loads(text) for key, text in metadata.items()}


def _name(source: str | Path | bytes) -> str:
    """Return the path of a file, after a check that it exists, or a name for its content."""
    if isinstance(source, bytes):
        return 'the exported model'
    if not Path(source).is_file():
        raise FileNotFoundError(f'the exported model {source} does not exist')
    return str(source)
