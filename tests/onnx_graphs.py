# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Helpers for tests of exported models."""

import pytest


def kept_counts(content: bytes) -> list[int]:
    """Return how many tokens each selection of a graph keeps; all of these numbers must be fixed.

    A selection is a TopK with a constant K. Sorting the kept indices is a TopK as well.
    """
    import onnx
    from onnx import numpy_helper

    graph = onnx.load_from_string(content).graph
    constants = {value.name: numpy_helper.to_array(value) for value in graph.initializer}
    shapes = {
        value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in graph.value_info
    }
    counts = []
    for node in (node for node in graph.node if node.op_type == 'TopK'):
        if not shapes[node.output[1]][-1]:
            pytest.fail(f'{node.name} keeps a variable number of tokens')
        if node.input[1] in constants:
            counts.append(int(constants[node.input[1]].item()))
    return counts
