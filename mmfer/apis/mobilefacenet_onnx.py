# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Weights of MobileFaceNet from an ONNX file, such as InsightFace's ``w600k_mbf.onnx``.

The names of the nodes do not identify them. The nodes are read in the order of the graph. Each must
match the layer of the network at that position: the same type, strides, groups and padding, with
the output of the previous node as its input.

Exporters fold BatchNorm into the convolution before it. Here the folded convolution ``w x + b``
becomes a convolution without bias and a BatchNorm that adds ``b``: mean 0, variance ``1 - eps``,
weight 1, bias ``b``. So the same config loads files with and without BatchNorm, and in eval mode
the outputs are the same. In training mode they are not: a BatchNorm with batch statistics needs the
weight that was folded, which cannot be recovered. Fine-tune such weights with ``norm_eval=True``,
which keeps the statistics in the file.
"""

from collections import deque

import numpy as np
import torch
from mmcv.cnn import ConvModule
from torch import Tensor, nn

from mmfer.models.backbones import MobileFaceNet
from mmfer.models.backbones.mobilefacenet import Bottleneck

_DEFAULTS = dict(strides=[1, 1], pads=[0] * 4, dilations=[1, 1], group=1, auto_pad=b'NOTSET')
#: Nodes without computation.
_IDLE = ('Constant', 'Identity')


def read_mobilefacenet_onnx(path: str, num_stages: int) -> tuple[dict[str, Tensor], dict, bool]:
    """Read the first stages of a MobileFaceNet; the graph is not run.

    Args:
        path (str): The ONNX file, which must contain its weights.
        num_stages (int): Number of stages to read, of four.

    Returns:
        tuple: The weights under the names of :class:`MobileFaceNet`; its ``arch``; and whether
        BatchNorm was folded.

    Raises:
        ImportError: The package onnx is not installed.
        OSError: The file cannot be read.
        ValueError: The file is not an ONNX file, or its graph is not a MobileFaceNet.
    """
    graph = _Graph(path)
    arch = graph.arch()
    # Only the shapes are needed.
    with torch.device('meta'):
        net = MobileFaceNet(num_stages, arch=arch)
    weights, block, entered = {}, None, ''
    for name, part in net.named_modules():
        if isinstance(part, Bottleneck):
            block, entered = part, graph.output
        elif isinstance(part, ConvModule):
            weights |= graph.read_conv(name, part)
            if block and part is block.project and block.residual:
                graph.read('Add', f'the sum after {name}', entered)
    return weights, arch, graph.folded


class _Graph:
    """The remaining nodes of a graph, and the name of the output of the last node that was read."""

    def __init__(self, path: str):
        try:
            import onnx
            from google.protobuf.message import DecodeError
        except ImportError as error:
            raise ImportError(
                'reading ONNX files needs the package onnx: pip install onnx'
            ) from error
        try:
            graph = onnx.load(path, load_external_data=False).graph
        except DecodeError as error:
            raise ValueError(f'{path} is not an ONNX file, or it is damaged: {error}') from error
        self._onnx = onnx
        self.path = path
        self._tensors = {tensor.name: tensor for tensor in graph.initializer}
        for node in graph.node:
            if node.op_type == 'Constant' and node.attribute[0].HasField('t'):
                self._tensors[node.output[0]] = node.attribute[0].t
            elif node.op_type == 'Identity' and node.input[0] in self._tensors:
                self._tensors[node.output[0]] = self._tensors[node.input[0]]
        self._nodes = deque(node for node in graph.node if node.op_type not in _IDLE)
        inputs = [value.name for value in graph.input if value.name not in self._tensors]
        if len(inputs) != 1:
            raise ValueError(
                f'{path} has the inputs {inputs}; a MobileFaceNet has one input, the image'
            )
        self.output = inputs[0]
        self.folded = False

    def arch(self) -> dict:
        """Infer ``arch`` from the shapes of the convolutions.

        Falls back to that of the paper for other networks, so that the first node that differs
        raises an error.
        """
        convs = [node for node in self._nodes if node.op_type == 'Conv']
        shapes = [self._tensors[c.input[1]].dims for c in convs if c.input[1] in self._tensors]
        stages, last = [], 2
        while last + 2 < len(shapes) and list(shapes[last + 1][2:]) == [3, 3]:
            (hidden, *_), _, (channels, *_) = shapes[last : last + 3]
            if self._attributes(convs[last + 1])['strides'] == [2, 2]:
                stages.append((channels, hidden, hidden, 1))
            elif stages:
                _, first, _, count = stages[-1]
                stages[-1] = (channels, first, hidden, count + 1)
            last += 3
        if len(stages) != 3 or last >= len(shapes):
            return MobileFaceNet.ARCHS['base']
        return dict(
            stem_channels=shapes[0][0],
            stem_groups=self._attributes(convs[1])['group'],
            stages=tuple(stages),
            last_channels=shapes[last][0],
        )

    def read_conv(self, name: str, part: ConvModule) -> dict[str, Tensor]:
        """Read a convolution, its BatchNorm if it is not folded, and its PReLU."""
        conv, eps = part.conv, part.norm.eps
        found, weight, *bias = self.read('Conv', f'{name}, {_describe(conv)},')
        wanted = dict(
            strides=list(conv.stride),
            pads=[*conv.padding, *conv.padding],
            dilations=list(conv.dilation),
            group=conv.groups,
            auto_pad=b'NOTSET',
        )
        differing = {key: found[key] for key, value in wanted.items() if found[key] != value}
        if weight.shape != conv.weight.shape or differing:
            raise ValueError(
                f'{self.path} is not a MobileFaceNet: instead of {name}, {_describe(conv)}, it '
                f'has a convolution of {tuple(weight.shape)}'
                + ''.join(f', {key} {value}' for key, value in differing.items())
            )
        ones = torch.ones(conv.out_channels)
        shift = bias[0] if bias else 0 * ones
        if self._nodes and self._nodes[0].op_type == 'BatchNormalization':
            found, scale, offset, mean, var = self.read('BatchNormalization', name)
            mean, var = mean - shift, var + found.get('epsilon', 1e-5) - eps
        elif bias:
            scale, offset, mean, var = ones, shift, 0 * ones, ones - eps
            self.folded = True
        else:
            raise ValueError(
                f'{self.path}: the convolution of {name} has neither bias nor BatchNormalization'
            )
        weights = {
            f'{name}.conv.weight': weight,
            f'{name}.bn.weight': scale,
            f'{name}.bn.bias': offset,
            f'{name}.bn.running_mean': mean,
            f'{name}.bn.running_var': var,
        }
        if part.with_activation:
            _, slope = self.read('PRelu', f'the PReLU of {name}')
            weights[f'{name}.activate.weight'] = slope.flatten()
        return weights

    def read(self, kind: str, place: str, *others: str) -> list:
        """Read the next node, whose type must be ``kind`` and whose inputs must be the last output
        and ``others``.

        Returns:
            list: Its attributes, then the weights among its inputs.
        """
        node = self._nodes.popleft() if self._nodes else None
        read = [name for name in node.input if name not in self._tensors] if node else []
        if node is None or node.op_type != kind or sorted(read) != sorted((self.output, *others)):
            found = f'{node.op_type} {node.name} of {", ".join(read)}' if node else 'nothing'
            raise ValueError(
                f'{self.path} is not a MobileFaceNet: instead of {place} a {kind} of '
                f'{", ".join((self.output, *others))}, it has {found}'
            )
        self.output = node.output[0]
        weights = [self._value(name) for name in node.input if name in self._tensors]
        return [self._attributes(node), *weights]

    def _attributes(self, node) -> dict:
        given = {a.name: self._onnx.helper.get_attribute_value(a) for a in node.attribute}
        return {**(_DEFAULTS if node.op_type == 'Conv' else {}), **given}

    def _value(self, name: str) -> Tensor:
        tensor = self._tensors[name]
        if tensor.data_location == self._onnx.TensorProto.EXTERNAL:
            raise ValueError(f'{self.path} stores {name} in another file; save it with its weights')
        return torch.from_numpy(np.array(self._onnx.numpy_helper.to_array(tensor), np.float32))


def _describe(conv: nn.Conv2d) -> str:
    return f'{tuple(conv.weight.shape)} with stride {conv.stride[0]} and groups {conv.groups}'
