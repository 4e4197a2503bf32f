# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from public_face_nets import LAYOUTS, NARROW, mobilefacenet, mobilefacenet_maps

from mmfer.apis.mobilefacenet_weights import (
    convert_mobilefacenet,
    first_stages,
    mobilefacenet_arch,
)
from mmfer.models import MobileFaceNet

ARCHS = {**MobileFaceNet.ARCHS, 'narrow': NARROW}


@pytest.mark.parametrize('arch', ARCHS)
@pytest.mark.parametrize('layout', LAYOUTS)
@torch.no_grad()
def test_a_converted_network_has_the_same_outputs(layout, arch):
    weights = mobilefacenet(ARCHS[arch], layout)
    converted = convert_mobilefacenet(weights)
    assert mobilefacenet_arch(converted) == ARCHS[arch]
    if arch != 'narrow':
        assert len(weights) == 333
        assert ('conv_45.conv_dw.bn.running_var' in weights) == (layout == 'port')
        assert ('layers.7.layers.1.layers.2.layers.0.weight' in weights) == (layout != 'port')
    net = MobileFaceNet(4, (0, 1, 2, 3), ARCHS[arch]).eval()
    net.load_state_dict(converted)
    images = torch.randn(1, 3, 32, 32)
    maps = mobilefacenet_maps(weights, ARCHS[arch], layout, images)
    for ours, theirs in zip(net(images), maps, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize('num_stages', [1, 2, 3, 4])
def test_later_stages_are_omitted(num_stages):
    converted = convert_mobilefacenet(mobilefacenet(NARROW, 'port'))
    net = MobileFaceNet(num_stages, arch=NARROW)
    net.load_state_dict(first_stages(converted, num_stages))


def test_two_layouts_in_one_file_are_an_error():
    weights = mobilefacenet(NARROW, 'port') | mobilefacenet(NARROW, 'arcface_torch')
    with pytest.raises(ValueError, match=r'stem\.0\.conv\.weight.*layers\.0\.layers\.0\.weight'):
        convert_mobilefacenet(weights)


@pytest.mark.parametrize(
    'key',
    [
        'conv1.0.weight',  # of ports with ReLU6
        'conv_3.model.x.conv.conv.weight',
        'conv_3.conv.conv.weight',
        'conv_23.0.conv.conv.weight',
        'conv_23.se.conv.weight',
        'layers.8.layers.0.weight',
        'layers.1.layers.0.layers.0.layers.0.weight',  # of InsightFace's mbf_large
        'conv_sep.layers.3.weight',
        'stages.0.weight',
        '0.0.weight',
        'model',
        'weight',
    ],
)
def test_unknown_keys_are_reported(key):
    converted = convert_mobilefacenet({key: torch.zeros(1)})
    assert not converted.keys() & MobileFaceNet(4).state_dict().keys() and len(converted) == 1


@pytest.mark.parametrize('missing', ['conv1', 'conv_34', 'conv_5', 'conv_6_sep'])
def test_incomplete_networks_have_no_arch(missing):
    weights = convert_mobilefacenet(
        {k: v for k, v in mobilefacenet(NARROW, 'port').items() if not k.startswith(f'{missing}.')}
    )
    assert mobilefacenet_arch(weights) is None
