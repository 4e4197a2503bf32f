# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from unittest import mock

import torch
import torch.nn.functional as F
from mmpretrain.models.backbones.vision_transformer import TransformerEncoderLayer

from mmfer.models.layers.partial_attention import attend_from_first


def test_dropped_weights_scale_the_value_bias_too():
    layer = TransformerEncoderLayer(24, 4, 48, attn_drop_rate=0.5, qkv_bias=True)
    attn = layer.attn
    y = torch.randn(3, 10, 24)
    kept = (torch.rand(3, 4, 1, 10) < 0.5) / 0.5
    query, key, value = (
        t.unflatten(-1, (4, 6)).transpose(1, 2) for t in attn.qkv(y).chunk(3, dim=-1)
    )
    weights = (query[:, :, :1] @ key.transpose(2, 3) * 6**-0.5).softmax(-1) * kept
    wanted = attn.proj((weights @ value).transpose(1, 2).flatten(2))
    with mock.patch.object(F, 'dropout', lambda w, rate, *_: w * kept.squeeze(2) if rate else w):
        torch.testing.assert_close(attend_from_first(attn, y), wanted)
