# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from types import SimpleNamespace

import torch

from mmfer.registry import HOOKS, MODELS


def test_convolutions_keep_channels_innermost_and_give_the_same():
    torch.manual_seed(0)
    net = MODELS.build(dict(type='SmallImageResNet', base_channels=8))
    net.eval()
    images = torch.randn(2, 3, 48, 48)
    with torch.no_grad():
        before = net(images)[-1]
        HOOKS.build(dict(type='ChannelsLastHook')).before_run(SimpleNamespace(model=net))
        after = net(images)[-1]
    assert net.conv1.weight.is_contiguous(memory_format=torch.channels_last)
    assert after.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(after, before)
