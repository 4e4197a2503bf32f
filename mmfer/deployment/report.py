# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Tables and facts that the tools of this folder print and write."""

import platform
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from mmfer.utils.machine import describe_machine

from .compare import Comparison
from .onnx_model import OnnxModel


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


def written(path: str | Path, content: bytes) -> str:
    """The line that says that a file was written."""
    return f'wrote {path} ({len(content) / 2**20:.1f} MiB)'


def interface(onnx_model: OnnxModel) -> Iterator[str]:
    """Lines that name the inputs and outputs."""
    kind = 'uint8, BGR' if onnx_model.with_preprocessing else 'float32, normalised'
    yield f'  takes  {onnx_model.input_name} {_shape(onnx_model.input_shape)} {kind}'
    for name, shape in onnx_model.output_shapes.items():
        yield f'  gives  {name} {_shape(shape)}'


def comparison_table(comparisons: Sequence[Comparison], tolerance: float) -> Iterator[str]:
    """Lines of a table: a row for each group of pictures and batch size."""
    names = list(comparisons[0].largest)
    head = ''.join(f'{name:>14}' for name in names)
    yield f'  {"pictures":<14}{"batch":>5}{"number":>8}{head}{"of largest":>12}{"same label":>12}'
    for row in comparisons:
        values = ''.join(f'{row.largest[name]:>14.1e}' for name in names)
        label = '-' if row.same_label is None else f'{row.same_label}/{row.count}'
        verdict = '' if row.passes(tolerance) else f'  above {tolerance:g}'
        yield (
            f'  {row.pictures:<14}{row.batch_size:>5}{row.count:>8}{values}'
            f'{row.deviation:>12.1e}{label:>12}{verdict}'
        )
    open_choices = sum(row.open_choices for row in comparisons)
    if open_choices:
        worst = max(row.deviation_open for row in comparisons)
        yield (
            f'  {open_choices} of {sum(row.count for row in comparisons)} answers hang on a choice '
            f'of tokens that rounding may turn; they differ by up to {worst:.1e} and are judged '
            'apart: either is right'
        )


def _shape(shape: Sequence[int | str]) -> str:
    return f'({", ".join(map(str, shape))})'
