# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import torch
from mmpretrain.models.backbones import ResNet_CIFAR

from mmfer.models.backbones import SmallImageResNet

SETTINGS = dict(depth=18, base_channels=4, out_indices=(0, 1, 2))
THEIRS = dict(SETTINGS, stem_channels=4, num_stages=3, strides=(1, 2, 2), dilations=(1, 1, 1))


def test_three_stages_leave_an_eighth_of_the_sides():
    outs = SmallImageResNet(**SETTINGS)(torch.randn(2, 3, 48, 48))
    assert [tuple(out.shape) for out in outs] == [(2, 4, 24, 24), (2, 8, 12, 12), (2, 16, 6, 6)]


def test_only_the_stem_differs_from_the_resnet_for_cifar():
    torch.manual_seed(0)
    ours, theirs = SmallImageResNet(**SETTINGS), ResNet_CIFAR(**THEIRS)
    ours.eval(), theirs.eval()  # mmpretrain's eval() does not return the net
    weights = {k: v for k, v in ours.state_dict().items() if not k.startswith('conv1.')}
    assert not theirs.load_state_dict(weights, strict=False).unexpected_keys
    x = torch.randn(2, 3, 48, 48)
    stem = ours.relu(ours.norm1(ours.conv1(x)))
    for layer, out in zip(ours.res_layers, ours(x), strict=True):
        stem = getattr(theirs, layer)(stem)
        torch.testing.assert_close(out, stem)


def test_the_form_for_inference_computes_the_same():
    torch.manual_seed(0)
    net = SmallImageResNet(**SETTINGS)
    net(torch.randn(8, 3, 48, 48))  # sets the statistics
    net.eval()
    x = torch.randn(2, 3, 48, 48)
    before = net(x)
    net.switch_to_deploy()
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in net.modules())
    for out, expected in zip(net(x), before, strict=True):
        torch.testing.assert_close(out, expected, atol=1e-5, rtol=1e-4)
