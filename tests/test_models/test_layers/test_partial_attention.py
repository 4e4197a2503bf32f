# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from mmpretrain.models.backbones.vision_transformer import TransformerEncoderLayer

from mmfer.models.layers.partial_attention import class_token_forward


@pytest.mark.parametrize('qkv_bias', [True, False])
def test_class_token_alone_equals_the_whole_layer(qkv_bias):
    layer = TransformerEncoderLayer(24, 4, 48, qkv_bias=qkv_bias, layer_scale_init_value=0.1)
    x = torch.randn(3, 10, 24)
    torch.testing.assert_close(class_token_forward(layer, x), layer(x)[:, :1])
