# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Public face recognition models with random weights, written without modules.

A model is a dict of tensors with the names of its public code, and a function that computes the
output of every stage from them.
"""

import numpy as np
import torch
import torch.nn.functional as F

#: Channels of a small model, as ``MobileFaceNet``'s ``arch``; all of them differ.
NARROW = dict(
    stem_channels=8,
    stem_groups=4,
    stages=((10, 12, 16, 3), (18, 26, 20, 4), (14, 40, 24, 2)),
    last_channels=32,
)
#: Names of the parts, of the three convolutions of a block, and of the layers of a convolution.
LAYOUTS = {
    'port': (
        ['conv1', 'conv2_dw']
        + ['conv_23', 'conv_3.model', 'conv_34', 'conv_4.model', 'conv_45', 'conv_5.model']
        + ['conv_6_sep'],
        ('conv', 'conv_dw', 'project'),
        ('conv', 'bn', 'prelu'),
    ),
    'arcface_torch': (
        ['layers.0', 'layers.1']
        + ['layers.2', 'layers.3.layers', 'layers.4', 'layers.5.layers', 'layers.6']
        + ['layers.7.layers', 'conv_sep'],
        ('layers.0', 'layers.1', 'layers.2'),
        ('layers.0', 'layers.1', 'layers.2'),
    ),
}


def mobilefacenet_rows(arch: dict, layout: str) -> list[tuple]:
    """Return the convolutions of a MobileFaceNet, first to last.

    Returns:
        Tuples of name, shape of the weight, stride, groups, and events: ``begin`` of a block,
        ``add`` its input afterwards, ``end`` of a stage, ``linear`` for no PReLU.
    """
    parts, (expand, depthwise, project), _ = LAYOUTS[layout]
    width = arch['stem_channels']
    groups = arch['stem_groups']
    rows = [(parts[0], (width, 3, 3, 3), 2, 1, ''), (parts[1], (width, width // groups, 3, 3), 1)]
    rows[1] += (groups, '')
    for stage, (channels, first, others, num_blocks) in enumerate(arch['stages']):
        for block in range(num_blocks):
            name = f'{parts[3 + 2 * stage]}.{block - 1}' if block else parts[2 + 2 * stage]
            hidden = others if block else first
            events = 'linear' + (' add' if block else '') + ' end' * (block == num_blocks - 1)
            rows += [
                (f'{name}.{expand}', (hidden, width, 1, 1), 1, 1, 'begin'),
                (f'{name}.{depthwise}', (hidden, 1, 3, 3), 1 if block else 2, hidden, ''),
                (f'{name}.{project}', (channels, hidden, 1, 1), 1, 1, events),
            ]
            width = channels
    return [*rows, (parts[8], (arch['last_channels'], width, 1, 1), 1, 1, 'end')]


def draw_norm(state: dict, name: str, channels: int) -> None:
    """Draw weight, bias and statistics of a BatchNorm."""
    state[f'{name}.weight'] = torch.rand(channels) + 0.5
    state[f'{name}.bias'] = 0.3 * torch.randn(channels)
    state[f'{name}.running_mean'] = 0.3 * torch.randn(channels)
    state[f'{name}.running_var'] = torch.rand(channels) + 0.5
    state[f'{name}.num_batches_tracked'] = torch.tensor(1000)


def draw_conv(shape) -> torch.Tensor:
    """Draw weights that preserve the scale of their input."""
    return torch.randn(shape) / np.prod(shape[1:]) ** 0.5


def norm(state: dict, name: str, x):
    stats = (state[f'{name}.{key}'] for key in ('running_mean', 'running_var', 'weight', 'bias'))
    return F.batch_norm(x, *stats)


def mobilefacenet(arch: dict, layout: str) -> dict:
    """Draw the weights of a complete model with an embedding of 128 numbers."""
    conv, bn, prelu = LAYOUTS[layout][2]
    state = {}
    for name, shape, _, _, events in mobilefacenet_rows(arch, layout):
        state[f'{name}.{conv}.weight'] = draw_conv(shape)
        draw_norm(state, f'{name}.{bn}', shape[0])
        if 'linear' not in events:
            state[f'{name}.{prelu}.weight'] = torch.rand(shape[0])
    last = arch['last_channels']
    gdc, linear, end = ('conv_6_dw', 'linear', 'bn')
    if layout == 'arcface_torch':
        gdc, linear, end = 'features.layers.0', 'features.layers.2', 'features.layers.3'
    state[f'{gdc}.{conv}.weight'] = draw_conv((last, 1, 7, 7))
    draw_norm(state, f'{gdc}.{bn}', last)
    state[f'{linear}.weight'] = draw_conv((128, last))
    draw_norm(state, end, 128)
    return state


def mobilefacenet_maps(state: dict, arch: dict, layout: str, x) -> list:
    """Compute the outputs of the three stages and of the 1x1 convolution."""
    conv, bn, prelu = LAYOUTS[layout][2]
    maps, entered = [], None
    for name, shape, stride, groups, events in mobilefacenet_rows(arch, layout):
        entered = x if 'begin' in events else entered
        x = F.conv2d(x, state[f'{name}.{conv}.weight'], None, stride, shape[-1] // 2, 1, groups)
        x = norm(state, f'{name}.{bn}', x)
        x = x if 'linear' in events else F.prelu(x, state[f'{name}.{prelu}.weight'])
        x = x + entered if 'add' in events else x
        maps += [x] if 'end' in events else []
    return maps


def mobilefacenet_onnx(state: dict, arch: dict, layout: str, folded: bool = True):
    """Return an ONNX model as exporters write it: numbered names, slopes of ``(C, 1, 1)``."""
    from onnx import TensorProto, helper, numpy_helper

    conv, bn, prelu = LAYOUTS[layout][2]
    nodes, weights = [], []

    def weight(value) -> str:
        weights.append(numpy_helper.from_array(value.numpy(), str(1000 + len(weights))))
        return weights[-1].name

    def node(kind: str, *inputs: str, **attributes) -> str:
        name, output = f'{kind}_{len(nodes)}', str(len(nodes))
        nodes.append(helper.make_node(kind, inputs, [output], name, **attributes))
        return output

    def conv_node(x: str, name: str, stride: int, groups: int, padding: int) -> str:
        kernel = state[f'{name}.{conv}.weight']
        keys = ('weight', 'bias', 'running_mean', 'running_var')
        scale, offset, mean, var = (state[f'{name}.{bn}.{key}'] for key in keys)
        factor = scale / (var + 1e-5).sqrt()
        inputs = [kernel * factor.view(-1, 1, 1, 1), offset - mean * factor] if folded else [kernel]
        settings = dict(strides=[stride] * 2, pads=[padding] * 4, dilations=[1, 1], group=groups)
        settings['kernel_shape'] = kernel.shape[2:]
        x = node('Conv', x, *map(weight, inputs), **settings)
        if folded:
            return x
        return node('BatchNormalization', x, *map(weight, (scale, offset, mean, var)), epsilon=1e-5)

    x, entered = 'input.1', ''
    for name, shape, stride, groups, events in mobilefacenet_rows(arch, layout):
        entered = x if 'begin' in events else entered
        x = conv_node(x, name, stride, groups, shape[-1] // 2)
        if 'linear' not in events:
            x = node('PRelu', x, weight(state[f'{name}.{prelu}.weight'][:, None, None]))
        x = node('Add', entered, x) if 'add' in events else x
    gdc, linear = ('conv_6_dw', 'linear')
    if layout == 'arcface_torch':
        gdc, linear = 'features.layers.0', 'features.layers.2'
    x = node('Flatten', conv_node(x, gdc, 1, arch['last_channels'], 0))
    x = node('MatMul', x, weight(state[f'{linear}.weight'].T.contiguous()))
    image = helper.make_tensor_value_info('input.1', TensorProto.FLOAT, ['N', 3, 112, 112])
    embedding = helper.make_tensor_value_info(x, TensorProto.FLOAT, ['N', 128])
    graph = helper.make_graph(nodes, 'main', [image], [embedding], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid('', 13)])


IRESNET_UNITS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 14, 3), 100: (3, 13, 30, 3)}


def iresnet(depth: int, base: int = 64) -> dict:
    """Draw the weights of InsightFace's iresnet with an embedding of 16 numbers."""
    state = {'conv1.weight': draw_conv((base, 3, 3, 3))}
    draw_norm(state, 'bn1', base)
    state['prelu.weight'] = torch.rand(base)
    width = base
    for layer, units in enumerate(IRESNET_UNITS[depth], start=1):
        out = base * 2 ** (layer - 1)
        for unit in range(units):
            name = f'layer{layer}.{unit}'
            draw_norm(state, f'{name}.bn1', width)
            state[f'{name}.conv1.weight'] = draw_conv((out, width, 3, 3))
            draw_norm(state, f'{name}.bn2', out)
            state[f'{name}.prelu.weight'] = torch.rand(out)
            state[f'{name}.conv2.weight'] = draw_conv((out, out, 3, 3))
            draw_norm(state, f'{name}.bn3', out)
            if unit == 0:
                state[f'{name}.downsample.0.weight'] = draw_conv((out, width, 1, 1))
                draw_norm(state, f'{name}.downsample.1', out)
            width = out
    draw_norm(state, 'bn2', width)
    state['fc.weight'], state['fc.bias'] = draw_conv((16, width * 49)), torch.randn(16)
    draw_norm(state, 'features', 16)
    return state


def iresnet_maps(state: dict, depth: int, x) -> list:
    """Compute the outputs of the four layers."""
    x = F.prelu(
        norm(state, 'bn1', F.conv2d(x, state['conv1.weight'], padding=1)), state['prelu.weight']
    )
    maps = []
    for layer, units in enumerate(IRESNET_UNITS[depth], start=1):
        for unit in range(units):
            name, stride = f'layer{layer}.{unit}', 1 if unit else 2
            out = F.conv2d(norm(state, f'{name}.bn1', x), state[f'{name}.conv1.weight'], padding=1)
            out = F.prelu(norm(state, f'{name}.bn2', out), state[f'{name}.prelu.weight'])
            out = F.conv2d(out, state[f'{name}.conv2.weight'], None, stride, padding=1)
            out = norm(state, f'{name}.bn3', out)
            if unit == 0:
                x = F.conv2d(x, state[f'{name}.downsample.0.weight'], None, stride)
                x = norm(state, f'{name}.downsample.1', x)
            x = x + out
        maps.append(x)
    return maps
